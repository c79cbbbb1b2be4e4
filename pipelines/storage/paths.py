"""Local paths of a configuration, made absolute: workers may run in another folder than the driver."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from ldm3d.config.named import named
from ldm3d.config.places import Place
from pipelines.storage.folder import Folder
from pipelines.storage.working_dir import require_lasting, require_sent

Config = TypeVar("Config")

MODEL, INDEX = "model", "model_index.json"  # the folder of the model in a training's output, and what it holds


def with_absolute_paths(config: Config, section: str = "") -> Config:
    """Return a config, and the configs in it, with absolute paths in the fields that `ldm3d.config.places` marks.

    Args:
        section: the prefix of the config's flags, such as `select.`.

    Raises:
        ValueError: a submitted job would lose an output, or was not sent an input.
    """
    hints = get_type_hints(type(config), include_extras=True)
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(config):  # type: ignore[arg-type]
        value, place = getattr(config, field.name), _place_in(hints[field.name])
        if dataclasses.is_dataclass(value):
            changes[field.name] = with_absolute_paths(value, f"{section}{field.name}.")
        elif isinstance(value, str) and place:
            changes[field.name] = MADE_ABSOLUTE[place](value)
        elif isinstance(value, tuple) and place in MADE_ABSOLUTE:
            changes[field.name] = tuple(map(MADE_ABSOLUTE[place], value))
        elif isinstance(value, tuple) and place:
            changes[field.name] = _absolute_models(value, are_named=place is Place.NAMED_MODEL or len(value) > 1)
        if place in LOOKED_UP:
            flag = f"--{section}{field.name}".replace("_", "-")
            _require_found(flag, value, changes.get(field.name), LOOKED_UP[place])
    return dataclasses.replace(config, **changes)  # type: ignore[type-var]


def _require_found(flag: str, given: Any, made: Any, require: Callable[[str, str, str], None]) -> None:
    """Check one place, or each of several."""
    if isinstance(given, str):
        require(flag, given, named(made)[1])
    elif given is not None:
        for each in zip(given, made, strict=True):
            _require_found(flag, *each, require)


def absolute(name: str) -> str:
    """Return the absolute path of a local model; a hub id, URL or keyword as it is.

    The output of `train_diffusion` stands for the model in it.
    """
    path = Path(name)
    try:
        if (path / MODEL / INDEX).exists() and not (path / INDEX).exists():
            path = path / MODEL
        return str(path.absolute()) if path.exists() else name
    except OSError:  # too long a name, or a folder that must not be searched: whoever opens it says so
        return name


def _absolute_models(given: tuple[str, ...], are_named: bool) -> tuple[str, ...]:
    """Make the places of models absolute. Names are written out before, as they may come from a relative place."""
    return tuple(f"{name}={absolute(place)}" if are_named else absolute(place) for name, place in map(named, given))


def _absolute_folder(given: str) -> str:
    """Make a folder absolute, and keep the NAME before it, if there is one."""
    url = named(given)[1]
    return given.removesuffix(url) + Folder(url).url


MADE_ABSOLUTE: dict[Place, Callable[[str], str]] = {
    Place.FOLDER: lambda url: Folder(url).url,
    Place.OUTPUT: lambda url: Folder(url).url,
    Place.NAMED_FOLDER: _absolute_folder,
    Place.MODEL: absolute,
}
LOOKED_UP = {Place.OUTPUT: require_lasting, Place.FOLDER: require_sent, Place.NAMED_FOLDER: require_sent}


def _place_in(hint: Any) -> Place | None:
    """Find the mark of a type, such as that of `FolderUrl | None` or `tuple[NamedModelPlace, ...]`."""
    if isinstance(hint, Place):
        return hint
    return next((place for part in get_args(hint) if (place := _place_in(part))), None)
