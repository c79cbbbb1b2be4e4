"""A running service, and clients of it that read what it answers."""

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from ldm3d.images import decode_depth, decode_rgb


@dataclass(frozen=True)
class Drawn:
    """What a zip holds."""

    facts: dict[str, Any]
    image: np.ndarray
    depth: np.ndarray

    @classmethod
    def of(cls, content: bytes) -> "Drawn":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            facts = json.loads(archive.read("facts.json"))
            return cls(facts, decode_rgb(archive.read("image.png")), decode_depth(archive.read("depth.png")))


@dataclass(frozen=True)
class Service:
    """A service at an address."""

    address: str
    token: str

    def client(self, **headers: str) -> httpx.Client:
        return httpx.Client(
            base_url=self.address, headers={"Authorization": f"Bearer {self.token}"} | headers, timeout=60
        )

    def draw(self, **body: Any) -> Drawn:
        with self.client(accept="application/zip") as client:
            answer = client.post("/v1/rgbd", json=body)
        assert answer.status_code == 200, answer.text
        return Drawn.of(answer.content)


def events_of(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and data of each event of a stream, as it comes; comments are left out."""
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))
