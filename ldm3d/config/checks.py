"""Checks that name the setting at fault, and the way to plain JSON and back, for every config class."""

import dataclasses
import json
import math
from typing import Any, TypeVar, get_type_hints

Config = TypeVar("Config")


def require(fine: bool, name: str, got: object, wanted: str) -> None:
    """Raise ValueError unless `fine`. The message names the flag of a setting, its value and what it may be."""
    require_argument(fine, f"--{name.replace('_', '-')}", got, wanted)


def require_argument(fine: bool, name: str, got: object, wanted: str) -> None:
    """Raise the same, naming an argument of a function."""
    if not fine:
        raise ValueError(f"{name} is {got!r}, wanted {wanted}")


class Problems:
    """Settings that are wrong, to be told at once."""

    def __init__(self) -> None:
        """Start with none."""
        self.found: list[str] = []

    def require(self, fine: bool, name: str, got: object, wanted: str) -> None:
        """Add a problem unless `fine`, in the words of the function `require`."""
        if not fine:
            self.found.append(f"--{name.replace('_', '-')} is {got!r}, wanted {wanted}")

    def tell(self) -> None:
        """Raise ValueError if there are problems. The message names them all."""
        if self.found:
            raise ValueError("; ".join(self.found))


def require_least(config: Any, section: str, least: int, *names: str, or_none: bool = False) -> None:
    """Raise ValueError unless the named numbers of a section are `least` or more; with `or_none`, None passes too."""
    wanted = f"{least} or more, or None" if or_none else f"{least} or more"
    for name in names:
        value = getattr(config, name)
        require(value >= least if value is not None else or_none, f"{section}.{name}", value, wanted)


def require_positive(config: Any, section: str, *names: str) -> None:
    """Raise ValueError unless the named numbers of a section are more than 0."""
    for name in names:
        require(getattr(config, name) > 0, f"{section}.{name}", getattr(config, name), "more than 0")


def require_finite(config: Any, name: str = "") -> None:
    """Raise ValueError if a number in a config, or in one nested in it, is infinite or NaN: ranges may let it pass."""
    for field in dataclasses.fields(config):
        value, full = getattr(config, field.name), f"{name}.{field.name}".lstrip(".")
        if dataclasses.is_dataclass(value):
            require_finite(value, full)
        elif isinstance(value, float):
            require(math.isfinite(value), full, value, "a finite number")


def to_json(config: Any) -> dict[str, Any]:
    """Convert a config to plain JSON values (tuples become lists)."""
    return dict(json.loads(json.dumps(dataclasses.asdict(config))))


def without_unset(values: dict[str, Any], **unset: Any) -> dict[str, Any]:
    """Leave out settings that are at the value which stands for their absence: an output that was begun before there
    was such a setting may then be continued."""
    return {name: value for name, value in values.items() if name not in unset or value != unset[name]}


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Name nested values by their dotted path: {"a": {"b": 1}} -> {"a.b": 1}. An empty dict stays a value."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        is_nested = isinstance(value, dict) and value
        found |= flat(value, f"{prefix}{name}.") if is_nested else {prefix + name: value}
    return found


def from_json(config_class: type[Config], values: dict[str, Any], source: str = "the configuration") -> Config:
    """Rebuild the config that `to_json` converted.

    Args:
        source: where the values come from, for messages.

    Raises:
        ValueError: the values are of another class, of another version of this code, or out of range.
    """
    try:
        rebuilt: Config = _from_json(config_class, values)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{source} is not a {config_class.__name__} of this version of the code ({error}): use the version that "
            "wrote it"
        ) from error
    return rebuilt


def _from_json(kind: Any, value: Any) -> Any:
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        kinds = get_type_hints(kind)
        return kind(**{name: _from_json(kinds[name], each) for name, each in value.items()})
    return tuple(value) if isinstance(value, list) else value
