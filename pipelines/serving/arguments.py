"""The settings of a Serve config file, in which Ray itself ignores what is misspelt."""

import difflib
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

from ldm3d.config import ServeConfig


def config_of(arguments: dict[str, Any]) -> ServeConfig:
    """Return the settings that `args` of a config file hold, by the names of the flags, with _ in place of -.

    Raises:
        ValueError: one is not known, of another type, or out of its range.
    """
    from pydantic import TypeAdapter, ValidationError

    _require_known(ServeConfig, arguments, "")
    if "token" in arguments:
        raise ValueError("token is in a config file, where others read it: set LDM3D_TOKEN in the environment")
    try:
        return TypeAdapter(ServeConfig).validate_python(arguments)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"{place} is {first['input']!a}: {said}" if place else said) from error


def _require_known(kind: Any, values: Any, prefix: str) -> None:
    """Check all names, in nested settings too."""
    if not isinstance(values, dict):
        raise ValueError(f"{prefix.rstrip('.') or 'args'} is {values!a}, wanted settings by their names")
    kinds, known = get_type_hints(kind), [field.name for field in fields(kind)]
    for name, value in values.items():
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            advice = f"did you mean {prefix}{close[0]}?" if close else f"there are {', '.join(known)}"
            raise ValueError(f"there is no setting {prefix}{name}: {advice}")
        if is_dataclass(kinds[name]):
            _require_known(kinds[name], value, f"{prefix}{name}.")
