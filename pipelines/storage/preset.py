"""The preset that an output of ours was begun with, read from the output or from what lies in it."""

import logging
from dataclasses import dataclass
from typing import Any

from pipelines.storage.folder import Folder
from pipelines.storage.run import CONFIG, TRAINING_STEP
from pipelines.storage.submission import as_sent

logger = logging.getLogger(__name__)

INSIDE = (
    "model",
    "vae",
    "rgbd",
    "train",
    "val",
    "test",
    "latents",
    "samples",
)  # what an output holds, for other stages
NOT_OURS = ("http://", "https://", "hf://")  # no stage writes there


@dataclass(frozen=True)
class Origin:
    """How an output, or a model in it, was made."""

    stage: str
    preset: str | None
    """None where its settings were written out in Python, or by an older version."""
    settings: dict[str, Any]
    """As JSON values; those of an exported model are not known. Of a submitted job, what was sent with it is relative
    to its working directory."""

    @property
    def base(self) -> tuple[str, str | None] | None:
        """Place and revision of the base that a training began with; None for other stages."""
        model = self.settings.get("model")
        if not isinstance(model, dict) or not model.get("base"):
            return None
        return model["base"], model.get("revision")


def origin_of(place: str) -> Origin | None:
    """Read how a place was made: an output of a stage, a folder in one, or an exported model.

    Returns:
        None where nothing says so, or where it cannot be read: the stage itself says what is wrong there.
    """
    if place.startswith(NOT_OURS):
        return None
    try:
        return _noted_in(place)
    except Exception as error:  # stores fail in ways of their own, and only a default depends on this
        logger.debug("the preset of %r is not known: %s", place, error)
        return None


def _noted_in(place: str) -> Origin | None:
    folder = Folder(place)
    if folder.is_file(CONFIG) and (found := folder.read_json(CONFIG)).keys() >= {"identity", "config"}:
        stage, settings = found["identity"].get("stage", ""), _as_sent(found["config"])
        return Origin(stage, settings.get("preset"), settings)
    if folder.is_file(TRAINING_STEP):
        noted = folder.read_json(TRAINING_STEP)
        return Origin(noted.get("stage", ""), noted.get("preset"), {})
    above, _, name = folder.url.rpartition("/")
    return _noted_in(above) if name in INSIDE and above else None


def _as_sent(settings: Any) -> Any:
    """Name the places in settings as they were typed. A text that is no place, such as a caption, is not touched."""
    if isinstance(settings, dict):
        return {name: _as_sent(value) for name, value in settings.items()}
    if isinstance(settings, list):
        return [_as_sent(value) for value in settings]
    return as_sent(settings) if isinstance(settings, str) else settings
