"""The rooms of the house and who may import whom: a forbidden import fails here, inside functions and out."""

import ast
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from tests import ROOT

# Each floor imports from those below it, and within a folder.
FLOORS = (
    (
        "config",
        "schema",
        "reject",
        "rgbd",
        "pil",
        "duplicates",
        "metrics",
        "fingerprint",
        "memory",
        "prompt_files",
        "compiling",
    ),
    ("card", "keys", "fetch", "decode", "models", "training", "results"),
    ("images", "depth", "rows", "figures"),
    ("data", "measures", "report"),
    ("encoding", "sampling", "immersive"),
    ("fusion", "serving"),
    ("toy",),
)
FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}
GROUND = {"storage": {"storage"}, "workers": {"workers", "storage"}}
# The folders of parts beside a stage; trainings and what takes models out of them share one.
PARTS_OF = {
    "rebuild_corpus": "corpus",
    "encode_latents": "latents",
    "train_autoencoder": "training",
    "train_diffusion": "training",
    "export": "training",
    "generate": "samples",
    "evaluate": "evaluation",
    "depth_fusion": "views",
    "serve": "serving",
}
# What entry points need of the rooms below the stages: a head start for workers, how an input was made, how a job was
# submitted, and the errors that have exit codes.
BELOW_STAGES = {
    "pipelines.storage.preset.Origin",
    "pipelines.storage.preset.origin_of",
    "pipelines.storage.submission.submitting",
    "pipelines.workers.warm.start.expect_cluster",
    "pipelines.storage.paths.with_absolute_paths",
    "pipelines.storage.shards.LostRowsError",
    "pipelines.storage.shards.NothingKeptError",
    "pipelines.storage.shards.TakenOverError",
    "pipelines.training.reader.BadRowError",
    "pipelines.workers.audit.AuditError",
}


def module_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules(room: str) -> dict[str, Path]:
    found = {module_of(file): file for file in sorted((ROOT / room).rglob("*.py"))}
    assert found
    return found


@cache
def imported(file: Path) -> frozenset[str]:
    """Dotted names that a file imports anywhere: `import a.b` is a.b, `from a import b` is a.b."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return frozenset(found)


def forbidden(module: str, names: Iterable[str]) -> set[str]:
    """Of what a module imports, what its room may not."""
    return {name for name in names if not _may_import(module.split("."), name.split("."))}


def _may_import(module: list[str], name: list[str]) -> bool:
    ours = ("ldm3d", "pipelines", "jobs")
    if name[0] == "ray":
        return module[0] != "ldm3d" and module[:2] != ["pipelines", "storage"]
    if name[0] not in ours:
        return True
    match module[0], name[0]:
        case "ldm3d", "ldm3d":
            return len(module) == 1 or module[1] == name[1] or FLOOR_OF[name[1]] < FLOOR_OF[module[1]]
        case "ldm3d", _:
            return False
        case "pipelines", "pipelines":
            return name[1] in _rooms_for(module)
        case "pipelines", "jobs":
            return False
        case "jobs", "pipelines":
            return name[1] in PARTS_OF or ".".join(name) in BELOW_STAGES
    return True


def _rooms_for(module: list[str]) -> set[str]:
    """The rooms of `pipelines` that a module of it may import from."""
    if len(module) == 1:
        return set()
    is_stage = len(module) == 2 and module[1] not in GROUND and module[1] not in PARTS_OF.values()
    return GROUND.get(module[1]) or {PARTS_OF[module[1]] if is_stage else module[1], "workers", "storage"}


@pytest.mark.parametrize("room", ["ldm3d", "pipelines", "jobs"])
def test_imports_go_down_the_house(room):
    found = {module: forbidden(module, imported(file)) for module, file in modules(room).items()}
    assert {module: names for module, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("ldm3d.rgbd", "ray"),
        ("ldm3d.rgbd", "pipelines.storage.folder.Folder"),
        ("ldm3d.models.base", "ldm3d.data.pictures.Pictures"),
        ("ldm3d.config.corpus", "ldm3d.keys.rank"),
        ("pipelines.storage.shards", "ray"),
        ("pipelines.storage.shards", "pipelines.workers.session.connect"),
        ("pipelines.workers.session", "pipelines.corpus.plan.Plan"),
        ("pipelines.latents.plan", "pipelines.corpus.plan.Plan"),
        ("pipelines.latents.plan", "pipelines.rebuild_corpus"),
        ("pipelines.export", "pipelines.train_diffusion"),
        ("pipelines.export", "pipelines.latents.plan.EncodePlan"),
        ("pipelines.export", "jobs.command"),
        ("jobs.command", "pipelines.storage.folder.Folder"),
        ("jobs.export", "pipelines.training.checkpoints"),
    ],
)
def test_what_is_forbidden_is_found(module, name):
    assert forbidden(module, [name, "numpy"]) == {name}


def test_a_file_at_the_top_of_pipelines_is_a_stage_and_has_an_entry_point():
    stages = {file.stem for file in (ROOT / "pipelines").glob("*.py")} - {"__init__"}
    entries = {file.stem for file in (ROOT / "jobs").glob("*.py")} - {"__init__", "command"}
    folders = {file.parent.name for file in (ROOT / "pipelines").glob("*/__init__.py")}
    assert stages == entries == set(PARTS_OF)
    assert folders == set(PARTS_OF.values()) | set(GROUND)


def test_every_room_of_the_library_is_on_a_floor():
    rooms = {module.split(".")[1] for module in modules("ldm3d") if "." in module}
    assert rooms == set(FLOOR_OF)


def test_no_file_imports_itself_by_way_of_others():
    known = {module for room in ("ldm3d", "pipelines", "jobs") for module in modules(room)}
    graph = {}
    for room in ("ldm3d", "pipelines", "jobs"):
        for module, file in modules(room).items():
            # `from a import b` is of the module a.b where there is one, else of a
            targets = {name if name in known else name.rpartition(".")[0] for name in imported(file)}
            graph[module] = targets & known - {module}
    while leaves := [module for module, targets in graph.items() if not targets & graph.keys()]:
        for module in leaves:
            del graph[module]
    assert {module: targets & graph.keys() for module, targets in graph.items()} == {}


def test_importing_the_library_loads_neither_ray_nor_the_heavy_packages():
    names = [module for module in modules("ldm3d") if not module.startswith("ldm3d.toy")]
    heavy = ("ray", "img2dataset", "transformers", "imagecodecs")
    code = f"import sys, {', '.join(names)}; print([name for name in {heavy} if name in sys.modules])"
    loaded = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
    assert loaded.strip() == "[]"
