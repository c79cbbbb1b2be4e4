"""The training step that a model is of, as far as something beside its weights says so."""

import json
from pathlib import Path

from pipelines.storage.folder import DamagedError, Folder
from pipelines.storage.run import SUCCESS

MODEL = "model"  # in the output of `train_diffusion`, whose success marker says the step
FILE = "training.json"  # in an exported model


def write_training_step(output: Folder, step: int) -> None:
    """Leave the step in the folder of a model."""
    output.write(FILE, json.dumps({"step": step}).encode())


def training_step_of(model: str) -> int | None:
    """The step of an export, or of `model/` in the output of a training; None where nothing says it, and of a hub id.

    Args:
        model: a folder, local or s3://, or a hub id.

    Raises:
        ValueError: what says it cannot be read.
    """
    if "://" not in model and not Path(model).is_dir():
        return None
    run, _, name = model.rstrip("/").rpartition("/")
    try:
        exported = _number(Folder(model), FILE, "step")
        return _number(Folder(run or "/"), SUCCESS, "steps") if exported is None and name == MODEL else exported
    except DamagedError as error:
        raise ValueError(f"model.model {model!r}: {error}: mend or remove what says its training step") from error


def _number(folder: Folder, file: str, name: str) -> int | None:
    try:
        found = folder.read_json(file).get(name)
    except (FileNotFoundError, PermissionError):  # some stores deny what is not there
        return None
    return found if isinstance(found, int) else None
