"""What every config class needs: a check that names the setting, and plain JSON values."""

import dataclasses
import json
import math
from typing import Any, TypeVar, get_type_hints

Config = TypeVar("Config")


def require(fine: bool, name: str, got: object, wanted: str) -> None:
    """Raises ValueError where a setting is out of its range: its name, what it is, what it may be."""
    if not fine:
        raise ValueError(f"{name} is {got!r}, wanted {wanted}")


def require_finite(config: Any, name: str = "") -> None:
    """Raises ValueError where a number of a config, or of one in it, is infinite or none: no range says so."""
    for field in dataclasses.fields(config):
        value, full = getattr(config, field.name), f"{name}.{field.name}".lstrip(".")
        if dataclasses.is_dataclass(value):
            require_finite(value, full)
        elif isinstance(value, float):
            require(math.isfinite(value), full, value, "a finite number")


def to_json(config: Any) -> dict[str, Any]:
    """A config as plain JSON values (tuples become lists)."""
    return dict(json.loads(json.dumps(dataclasses.asdict(config))))


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Name nested values by their dotted path: {"a": {"b": 1}} -> {"a.b": 1}. An empty dict stays a value."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        is_nested = isinstance(value, dict) and value
        found |= flat(value, f"{prefix}{name}.") if is_nested else {prefix + name: value}
    return found


def from_json(config_class: type[Config], values: dict[str, Any]) -> Config:
    """The config that `to_json` made values of.

    Raises:
        ValueError: it is of another class, or of another version of this code.
    """
    kinds: dict[str, Any] = get_type_hints(config_class)
    try:
        return config_class(**{name: _from_json(kinds[name], value) for name, value in values.items()})
    except (KeyError, TypeError) as error:
        raise ValueError(f"this is no {config_class.__name__} of this version: {error}") from error


def _from_json(kind: Any, value: Any) -> Any:
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return from_json(kind, value)
    return tuple(value) if isinstance(value, list) else value
