"""Every shell command of the pages is run by a test or by the demo, and here it is said which, command by command.

Blocks in `TYPED` are run as they stand. A command of another block needs what no test has: a model of the hub, a
bucket of the reader's own, GPUs, a cloud. `INSTEAD` names, by how it begins, the test that does the same on a small
scale: this stage with these flags. That its stage takes every flag as written is the matter of `test_examples.py` and
of `tests/unit/cluster/test_commands.py`.
"""

import re

import pytest

from tests import ROOT
from tests.builders.pages import blocks_of, in_one_line

PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "cluster/README.md",
    *sorted(f"docs/{file.name}" for file in ROOT.glob("docs/*.md")),
]
READER, SUBMITTED = "integration/test_readme.py", "integration/test_job_submission.py"
TYPED = {
    ("README.md", 1): READER,
    ("docs/quickstart.md", 0): READER,
    ("docs/quickstart.md", 1): READER,
    ("docs/quickstart.md", 2): READER,
    ("docs/quickstart.md", 3): READER,
    ("docs/quickstart.md", 4): SUBMITTED,
}
"""The test that runs a block, by its page and its number there."""

CORPUS, OWN = "integration/test_rebuild_corpus.py", "integration/test_own_data.py"
LATENTS, DIFFUSION = "integration/test_encode_latents.py", "integration/test_diffusion_training.py"
PLACES, SERVICE = "integration/test_depth_fusion.py", "integration/test_serve.py"
SMALL = "integration/test_small_model.py"
SAMPLES, SCORES = "integration/test_generate.py", "integration/test_evaluate.py"
CLUSTER, KUBERAY, RAY_UP = (f"unit/cluster/test_{name}.py" for name in ("commands", "kuberay", "ray_up"))

ANY_STAGE = f"{CLUSTER}::test_every_stage_has_its_command_and_each_reads_what_the_one_before_wrote"
KUBECTL = f"{KUBERAY}::test_kuberay_takes_the_manifest"
AWS = f"{RAY_UP}::test_ray_up_takes_the_file"

INSTEAD = {
    "README.md": {
        "make serve": f"{SMALL}::test_make_serve_begins_with_a_small_model",
        "make demo": "jobs/demo/__main__.py::main",  # it is the demo
        "make test": "unit/docs/test_commands.py",  # it runs this
    },
    "docs/corpus.md": {
        "python -m jobs.rebuild_corpus --preset ldm3d": f"{CORPUS}::test_every_row_ends_as_the_web_deserves",
        "python -m jobs.rebuild_corpus --input table.csv": (
            f"{OWN}::test_a_table_names_files_beside_it_in_a_store_elsewhere_and_on_the_web"
        ),
        "python -m jobs.rebuild_corpus --input pictures": (
            f"{OWN}::test_a_folder_of_pictures_with_captions_beside_them"
        ),
        "python -m jobs.rebuild_corpus --input METADATA --output runs/corpus --label.preset column": (
            f"{CORPUS}::test_depth_is_taken_from_a_column_as_files_or_their_paths"
        ),
    },
    "docs/depth_fusion.md": {
        "python -m jobs.depth_fusion --input room.png": (
            f"{PLACES}::test_one_panorama_is_made_at_a_keyboard_without_ray"
        ),
        "python -m jobs.depth_fusion --input panorama.jpg": (
            f"{PLACES}::test_networks_estimate_depth_and_draw_what_is_hidden_alike_on_a_cluster_and_here"
        ),
        "python -m jobs.depth_fusion --input photo.jpg": (
            f"{PLACES}::test_a_model_estimates_depth_of_flat_pictures_alike_on_a_cluster_and_here"
        ),
        "python -m jobs.depth_fusion --input pictures/000.png": (
            f"{PLACES}::test_a_model_redraws_a_panorama_alike_on_a_cluster_and_here"
        ),
        "python -m jobs.depth_fusion --input s3://": (
            f"{PLACES}::test_panoramas_maps_and_output_may_be_on_an_object_store"
        ),
    },
    "docs/evaluate.md": {
        "python -m jobs.evaluate --preset ldm3d --input s3://": (
            f"{SCORES}::test_pictures_networks_and_output_may_be_on_an_object_store"
        ),
        "python -m jobs.evaluate --input ours=": (
            f"{SCORES}::test_a_subset_costs_no_features_and_is_another_protocol"
        ),
        "python -m jobs.evaluate --reconstruction.models": (
            f"{SCORES}::test_every_metric_is_there_with_its_error_and_noise_is_worse"
        ),
        "python -m jobs.evaluate --input samples/panoramas": (
            f"{SCORES}::test_panoramas_have_their_depth_and_seam_measured_and_a_table_beside_the_published_row"
        ),
        "python -m jobs.evaluate --input samples/coco": (
            f"{SCORES}::test_newer_metrics_add_their_features_and_change_no_other_number"
        ),
        "python -m jobs.evaluate --input runs/samples/": (
            f"{SCORES}::test_every_metric_is_there_with_its_error_and_noise_is_worse"
        ),
        "python -m jobs.generate --input captions_val2014.json --captions.count 30000": (
            f"{SAMPLES}::test_a_baseline_draws_no_depth_and_opens_beside_the_others"
        ),
        "python -m jobs.generate --input captions_val2014.json --captions.count 2000": (
            f"{SAMPLES}::test_several_checkpoints_are_part_of_the_grid"
        ),
    },
    "docs/faq.md": {
        "export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH": (
            "unit/pipelines/workers/test_session.py"
            "::test_a_cluster_that_wants_a_token_is_told_by_the_mode_and_the_token"
        ),
    },
    "docs/generate.md": {
        "python -m jobs.generate --prompt": f"{SAMPLES}::test_a_prompt_is_drawn_to_files_without_a_cluster",
        "python -m jobs.generate --preset ldm3d --input s3://": (
            f"{SAMPLES}::test_every_sample_is_there_once_at_every_point_of_the_grid"
        ),
        "python -m jobs.generate --input s3://": f"{SAMPLES}::test_several_checkpoints_are_part_of_the_grid",
    },
    "docs/presets.md": {
        "python -m jobs.encode_latents --preset ldm3d-4c": (
            f"{LATENTS}::test_every_row_of_the_corpus_is_there_once_with_its_mirror_image_or_rejected"
        ),
        "python -m jobs.train_diffusion": (
            f"{DIFFUSION}::test_low_rank_updates_are_all_that_is_stored_and_fit_diffusers"
        ),
    },
    "docs/quickstart.md": {
        "ray job submit --working-dir . -- python -m jobs.rebuild_corpus --preset toy": SUBMITTED,
        "ray job submit --working-dir . -- python -m jobs.train_autoencoder": (
            "integration/test_train_autoencoder.py"
            "::test_it_ends_with_a_model_that_diffusers_loads_and_pictures_to_look_at"
        ),
    },
    "docs/serve.md": {
        "make serve": f"{SMALL}::test_make_serve_begins_with_a_small_model",
        "python -m jobs.serve": (
            "integration/test_serve_command.py::test_a_job_of_the_command_line_answers_what_it_has_taken_before_it_ends"
        ),
        "LDM3D_TOKEN=": f"{SERVICE}::test_without_the_token_only_the_page_and_health_are_there",
        "curl": f"{SERVICE}::test_pictures_are_those_of_the_library_whoever_shares_the_batch",
    },
    "docs/training.md": {
        "python -m jobs.train_autoencoder": (
            "integration/test_train_autoencoder.py"
            "::test_it_ends_with_a_model_that_diffusers_loads_and_pictures_to_look_at"
        ),
        "python -m jobs.encode_latents": f"{LATENTS}::test_an_autoencoder_on_an_object_store_is_the_same",
        "python -m jobs.train_diffusion": (
            "integration/test_train_diffusion.py"
            "::test_it_ends_with_a_whole_model_and_samples_and_a_finished_run_does_nothing"
        ),
        "python -m jobs.export": f"{DIFFUSION}::test_any_checkpoint_is_exported_and_starts_another_training",
    },
    "cluster/README.md": {
        "sed -i": "unit/cluster/test_commands.py::test_the_first_line_puts_in_registry_and_bucket",
        "docker build": "unit/cluster/test_image.py::test_the_image_has_the_dependencies_at_the_versions_of_the_lock",
        "ray get-auth-token": SUBMITTED,
        "export RAY_AUTH_MODE=token": SUBMITTED,
        "ray up": AWS,
        "ray exec": AWS,
        "ray dashboard": AWS,
        "kubectl": KUBECTL,
        "git archive": "unit/cluster/test_working_dir.py::test_the_code_is_sent_and_stays_far_below_the_limit",
        "python -m jobs.": ANY_STAGE,
    },
}
"""The test that does what a command does, by the page and how the command begins."""

OTHERS = [
    (page, in_one_line(command))
    for page in PAGES
    for number, block in enumerate(blocks_of(ROOT / page))
    for command in block
    if (page, number) not in TYPED
]


@pytest.mark.parametrize(("page", "command"), OTHERS)
def test_a_command_is_run_or_a_test_is_named_that_does_the_same(page, command):
    known = [start for start in INSTEAD.get(page, {}) if command.startswith(start)]
    assert known, f"{page}: run it in {READER}, or name a test in `INSTEAD` that does the same"


@pytest.mark.parametrize(("page", "start"), [(page, start) for page, starts in INSTEAD.items() for start in starts])
def test_no_command_is_named_that_is_gone(page, start):
    assert any(command.startswith(start) for where, command in OTHERS if where == page)


NAMED = {*TYPED.values(), *(test for starts in INSTEAD.values() for test in starts.values())}


@pytest.mark.parametrize("named", sorted(NAMED))
def test_a_test_that_is_named_is_there(named):
    file, _, function = named.partition("::")
    place = ROOT / file if file.startswith("jobs/") else ROOT / "tests" / file
    assert re.search(rf"^def {function}" if function else "", place.read_text(), re.MULTILINE)


def test_the_blocks_that_are_typed_are_there():
    for page, number in TYPED:
        assert blocks_of(ROOT / page)[number]
