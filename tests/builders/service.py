"""A running service, and clients of it that read what it answers."""

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import torch

from ldm3d.config import ModelConfig, SamplingConfig
from ldm3d.images import decode_depth, decode_rgb
from ldm3d.models.base import load_base
from ldm3d.models.checkpoint import save_pipeline
from ldm3d.sampling.decode import decode_latents
from ldm3d.sampling.pipeline import RgbdPipeline
from ldm3d.sampling.sampler import scheduler_of
from ldm3d.sampling.samples import Sample
from ldm3d.toy.diffusion_model import make_base_model


def tiny_model(root: Path) -> Path:
    """A model with random weights that draws 32 x 32 pixels."""
    make_base_model(root / "base")
    save_pipeline(root / "tiny", load_base(ModelConfig(base=str(root / "base"))))
    return root / "tiny"


@dataclass
class Lone:
    """Draws the pictures of a service as the library does, alone."""

    pipeline: RgbdPipeline
    trained: Any
    rows: int

    @classmethod
    @contextmanager
    def of(cls, model: Path, rows: int) -> Iterator["Lone"]:
        """In as many threads as a copy of the model has, on which bits depend."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        pipeline = RgbdPipeline.from_pretrained(str(model))
        yield cls(pipeline, pipeline.scheduler, rows)
        torch.set_num_threads(threads)

    def __call__(
        self, prompt: str, seed: int, *, steps: int = 3, guidance: float = 4.0, scheduler: str = "ddim", **size: int
    ) -> Sample:
        self.pipeline.scheduler = scheduler_of(SamplingConfig(scheduler=scheduler), self.trained)
        drawn = self.pipeline(
            prompt,
            seed=seed,
            num_inference_steps=steps,
            guidance_scale=guidance,
            batch_size=self.rows // 2,
            output_type="latent",
            **size,
        )
        # By itself, as the service decodes: in a batch of others the last bits differ.
        decoded = decode_latents(self.pipeline.vae, drawn.images)
        return Sample(prompt, seed, decoded.image[0], decoded.depth[0], is_finite=True)


def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


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

    def openai(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.address}/v1", api_key=self.token, max_retries=0)

    def status_of(self, identity: str) -> dict[str, Any]:
        with self.client() as client:
            return client.get(f"/v1/jobs/{identity}").json()

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


def assert_same(drawn: Drawn, wanted: Sample) -> None:
    np.testing.assert_array_equal(drawn.image, wanted.image)
    np.testing.assert_array_equal(drawn.depth, wanted.depth)
