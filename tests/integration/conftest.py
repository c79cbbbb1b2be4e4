"""What a pytest process shares: a Ray cluster with a pretend GPU, a web, an S3 service, a small corpus.

`make test` runs two of these processes, a file at a time in each.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import ray

from ldm3d.config import (
    PRESETS,
    AutoencoderConfig,
    AutoencoderLossConfig,
    ClusterConfig,
    CorpusConfig,
    DiffusionConfig,
    DiffusionModelConfig,
    LoopConfig,
    ModelConfig,
    OptimiserConfig,
    PerceptualConfig,
    SamplesConfig,
    ShardConfig,
)
from ldm3d.models.base import load_autoencoder
from ldm3d.toy.corpus import scene_rows
from ldm3d.toy.depth_model import tiny_depth_model
from ldm3d.toy.diffusion_model import make_base_model
from ldm3d.toy.web import ToyWeb
from ldm3d.toy.world import World, build_world
from pipelines.rebuild_corpus import rebuild_corpus
from pipelines.storage.folder import Folder
from pipelines.workers.warm.start import warm_workers
from tests.integration.flaky_s3 import FlakyS3

# Minutes each: begun last, one of these would leave the other process with nothing to do.
LONG = [
    "test_train_autoencoder.py",
    "test_readme.py",
    "test_evaluate.py",
    "test_exactly_once.py",
    "test_rebuild_corpus.py",
    "test_generate.py",
    "test_storage_s3.py",
    "test_train_diffusion.py",
    "test_serve.py",
    "test_viewer.py",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files first."""
    order = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path.name, len(LONG)))


@pytest.fixture(scope="session")
def s3() -> Iterator[FlakyS3]:
    """The S3 service that `s3://` means in this process, and in every process that inherits its environment."""
    with FlakyS3() as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment().items():
            patch.setenv(name, value)
        yield running


@pytest.fixture(scope="session", autouse=True)
def cluster(s3: FlakyS3) -> Iterator[str]:
    """The address of a cluster of two CPUs and a GPU that does not exist: actors that ask for it run on the CPU."""
    # An idle worker that is kept saves the next task a start and its imports, seconds of CPU.
    keep_workers = {"num_workers_soft_limit": 8, "idle_worker_killing_time_threshold_ms": 3_600_000}
    with pytest.MonkeyPatch.context() as patch:
        # In a cluster without a dashboard, Ray Train asks whoever listens at Ray's usual port whether its controller
        # lives. Another cluster there does not know it, and the training loses its workers. Nobody is at port 1.
        patch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:1")
        with warm_workers():
            context = ray.init(
                num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False, _system_config=keep_workers
            )
        yield context.address_info["address"]
        ray.shutdown()


@pytest.fixture(scope="session")
def small_training() -> Callable[[Path, int], AutoencoderConfig]:
    """A training on so many scenes of 16 x 16 pixels, in batches of 4, adversarial from the seventh step on."""

    def make(root: Path, scenes: int) -> AutoencoderConfig:
        corpus = Folder(str(root / "corpus"))
        for split, seeds in (("train", range(scenes)), ("val", range(10_000, 10_007))):
            rows = scene_rows(seeds, split, size=16)
            groups = [rows.slice(start, 4) for start in range(0, len(rows), 4)]
            corpus.write_tables(f"rgbd/{split}/00000.parquet", groups)
        corpus.write("_SUCCESS.json", b"{}")
        make_base_model(root / "base")
        return AutoencoderConfig(
            input=corpus.url,
            output=str(root / "run"),
            model=ModelConfig(base=str(root / "base")),
            loss=AutoencoderLossConfig(
                perceptual=PerceptualConfig(rgb_weight=0, depth_weight=0),
                discriminator_start=6,
                discriminator_filters=4,
                discriminator_layers=1,
                discriminator_norm="group",
            ),
            optimiser=OptimiserConfig(learning_rate=1e-3),
            loop=LoopConfig(epochs=4, batch_size=4, lanes=2, shuffle_rows=8, checkpoint_every=12, log_every=1),
        )

    return make


@pytest.fixture(scope="session")
def small_diffusion(
    small_training: Callable[[Path, int], AutoencoderConfig],
) -> Callable[[Path, int], DiffusionConfig]:
    """A training on so many scenes of 16 x 16 pixels, in batches of 4, with autoencoders that know nothing: `ae`, the
    one to use, and `other`."""

    def make(root: Path, scenes: int) -> DiffusionConfig:
        made = small_training(root, scenes)
        for name, depth_input in (("ae", "rgb_mean"), ("other", "zero")):
            load_autoencoder(replace(made.model, depth_input=depth_input)).save_pretrained(root / name / "vae")
        return DiffusionConfig(
            input=made.input,
            output=str(root / "run"),
            model=DiffusionModelConfig(base=made.model.base, autoencoder=str(root / "ae")),
            samples=SamplesConfig(count=2, every_epochs=2, num_inference_steps=2),
            optimiser=made.optimiser,
            loop=made.loop,
        )

    return make


@pytest.fixture(scope="session")
def web() -> Iterator[ToyWeb]:
    with ToyWeb() as running:
        yield running


@pytest.fixture(scope="session")
def depth_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DPT of the real architecture with random weights, loaded by the real `from_pretrained`."""
    folder = tmp_path_factory.mktemp("model")
    tiny_depth_model(folder)
    return folder


@pytest.fixture(scope="session")
def make_config(depth_model: Path) -> Callable[..., CorpusConfig]:
    """A toy configuration with some settings changed: `make_config(input, output, select={"sample": 5})`."""

    def make(metadata: object, output: object, **changes: dict[str, Any]) -> CorpusConfig:
        preset = PRESETS["toy"] | {"shards": ShardConfig(rows=32, row_group_rows=8)}
        preset["label"] = replace(preset["label"], depth_model=str(depth_model))
        preset["download"] = replace(preset["download"], allow_addresses=("127.0.0.1",))
        for section, values in changes.items():
            preset[section] = replace(preset.get(section, ClusterConfig()), **values)
        return CorpusConfig(input=str(metadata), output=str(output), **preset)

    return make


@dataclass(frozen=True)
class Made:
    """A corpus, how it was made, what `rebuild_corpus` returned, and the world it shows."""

    folder: Path
    config: CorpusConfig
    summary: dict[str, Any]
    world: World


@pytest.fixture(scope="session")
def corpus(web: ToyWeb, make_config: Callable[..., CorpusConfig], tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A finished corpus of a world with every fault. Tests read it and leave it as it is."""
    folder = tmp_path_factory.mktemp("corpus")
    world = build_world(folder / "metadata", web.base_url, scenes=80)
    web.pages.update(world.pages)
    config = make_config(folder / "metadata", folder / "corpus")
    return Made(folder / "corpus", config, rebuild_corpus(config), world)
