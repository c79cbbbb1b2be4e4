"""DINOv2's view of pictures, from which FD-DINOv2 is computed (Stein et al. 2023, arXiv 2306.04675)."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ldm3d.config import Dinov2Config
from ldm3d.fingerprint import fingerprint_of, fingerprint_of_network, settings_of
from ldm3d.measures.batch import Batch, lists
from ldm3d.models.hub import require_hub
from ldm3d.models.precision import full_float32
from ldm3d.models.quiet import quiet
from ldm3d.models.unreadable import named, why_unreadable

SIDE = 224  # pixels, input of the network
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's
OFFSET = 0.1  # cells of the grid of positions; see `_resample_positions`


class Dinov2:
    """Measures `pool`, list<float32>[D]: the class token after the last layer norm, 1,024 numbers of ViT-L/14.

    As the paper's code, dgm-eval, does it: Pillow resizes to 224 x 224, whatever the aspect ratio, bicubic with
    antialiasing and rounding to 8 bits. The network runs in float32, on GPUs too.
    """

    def __init__(self, model: Any, batch_size: int) -> None:
        """`model` is a `Dinov2Model` of transformers; its embeddings of positions are resampled in place."""
        self.fingerprint = fingerprint_of("dinov2", fingerprint_of_network(model), settings_of(model.config))
        _resample_positions(model)  # after the fingerprint: the last bits depend on the device
        self.model, self.batch_size = model.eval(), batch_size
        self.columns = pa.schema([("pool", pa.list_(pa.float32(), model.config.hidden_size))])

    @classmethod
    def from_pretrained(cls, config: Dinov2Config, device: str) -> Self:
        """Load a DINOv2 of transformers.

        Raises:
            ValueError: it does not load, is not a DINOv2, or lacks weights.
        """
        from transformers import Dinov2Model

        name = named("--dinov2.model", config.model, config.revision)
        options: dict[str, Any] = {"use_safetensors": True, "output_loading_info": True, "revision": config.revision}
        try:
            require_hub(config.model, config.revision)
            with quiet():
                loaded: Any = Dinov2Model.from_pretrained(config.model, dtype=torch.float32, **options)
        except Exception as error:  # broken files make the library raise nearly anything
            wanted = "give a folder written by save_pretrained, or a hub id that every node can reach or has cached"
            why = why_unreadable(config.model, config.revision, error, wanted)
            raise ValueError(f"{name} did not load {why}") from error
        model, found = loaded
        if missing := found["missing_keys"]:
            raise ValueError(
                f"{name}: its file lacks weights ({len(missing)}, {min(missing)} first): is it a DINOv2 without "
                "registers?"
            )
        return cls(model.to(device), config.batch_size)

    def __call__(self, batch: Batch) -> pa.Table:
        found = np.empty((len(batch), self.model.config.hidden_size), np.float32)
        for start in range(0, len(batch), self.batch_size):
            some = slice(start, start + self.batch_size)
            found[some] = self._tokens(batch.images[some]).cpu().numpy()
        return pa.Table.from_arrays([lists(found)], schema=self.columns)

    @torch.inference_mode()
    def _tokens(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Return class tokens: (N, D) float32."""
        device = self.model.device
        pixels = torch.from_numpy(np.stack([_resized(image) for image in images])).to(device).permute(0, 3, 1, 2)
        mean, std = (torch.tensor(values, device=device)[:, None, None] for values in (MEAN, STD))
        with torch.autocast(device.type, enabled=False), full_float32():
            tokens: Tensor = self.model(pixel_values=(pixels.float() / 255 - mean) / std).pooler_output
        return tokens


def _resized(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _resample_positions(model: Any) -> None:
    """Resample the embeddings of positions to the grid at 224 x 224, as DINOv2's own code does.

    It scales by (16 + 0.1) / 37, which shifts each position a little; transformers scales by 16 / 37. The published
    distances are those of the former.
    """
    embeddings, side = model.embeddings, SIDE // model.config.patch_size
    positions = embeddings.position_embeddings.detach()
    given = round((positions.shape[1] - 1) ** 0.5)
    if side == given:
        return
    grid = positions[:, 1:].unflatten(1, (given, given)).permute(0, 3, 1, 2)
    scale = (side + OFFSET) / given
    grid = functional.interpolate(grid, scale_factor=(scale, scale), mode="bicubic")
    resampled = torch.cat([positions[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)
    embeddings.position_embeddings = nn.Parameter(resampled, requires_grad=False)
