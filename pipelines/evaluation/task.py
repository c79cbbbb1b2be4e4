"""A unit of work for the actors that measure."""

import json
from collections.abc import Container
from dataclasses import asdict, dataclass
from typing import Self

from pipelines.evaluation.picture_rows import PartRows
from pipelines.storage.shards import Shard


@dataclass(frozen=True)
class Task:
    """A part of a set, and the shards that its measurements become."""

    part: PartRows
    shards: dict[str, Shard]
    """By name of the network."""

    def without(self, done: Container[str]) -> "Task":
        """Leave out the shards that are done, by their names."""
        return Task(self.part, {name: shard for name, shard in self.shards.items() if shard.name not in done})

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        values = json.loads(text)
        part, shards = values["part"], values["shards"]
        if part["size"] is not None:
            part["size"] = tuple(part["size"])
        return cls(PartRows(**part), {name: Shard(**shard) for name, shard in shards.items()})
