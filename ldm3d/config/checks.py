"""What every config class needs: a check that names the setting, and plain JSON values."""

import dataclasses
import json
from typing import Any


def require(fine: bool, name: str, got: object, wanted: str) -> None:
    """Raises ValueError where a setting is out of its range: its name, what it is, what it may be."""
    if not fine:
        raise ValueError(f"{name} is {got!r}, wanted {wanted}")


def to_json(config: Any) -> dict[str, Any]:
    """A config as plain JSON values (tuples become lists)."""
    return dict(json.loads(json.dumps(dataclasses.asdict(config))))
