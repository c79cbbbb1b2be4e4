"""How large everything is: Stable Diffusion and DPT-Large, or small enough to try the benchmark on a CPU."""

from dataclasses import dataclass
from typing import Any

from ldm3d.models.stable_diffusion import AUTOENCODER, UNET
from ldm3d.toy.diffusion_model import AUTOENCODER as TOY_AUTOENCODER
from ldm3d.toy.diffusion_model import UNET as TOY_UNET


@dataclass(frozen=True)
class Sizes:
    """Networks and batches of all parts."""

    pixels: int
    """Side of the pictures."""
    batch: int
    """Pictures that are labelled, drawn or measured at a time, and samples of a training step."""
    depth: dict[str, Any]
    """Of transformers' DPTConfig."""
    unet: dict[str, Any]
    autoencoder: dict[str, Any]
    text: dict[str, Any]
    """Of transformers' CLIPTextConfig."""
    steps: int
    """Of sampling."""

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        return (4, self.unet["sample_size"], self.unet["sample_size"])


REAL = Sizes(
    pixels=512,
    batch=32,
    depth={  # Intel/dpt-large
        "image_size": 384,
        "hidden_size": 1_024,
        "intermediate_size": 4_096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "backbone_out_indices": [5, 11, 17, 23],
        "neck_hidden_sizes": [256, 512, 1_024, 1_024],
        "is_hybrid": False,
    },
    unet=UNET,
    autoencoder=AUTOENCODER,
    text={  # CLIP ViT-L/14
        "hidden_size": 768,
        "intermediate_size": 3_072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "max_position_embeddings": 77,
    },
    steps=20,
)

TINY = Sizes(
    pixels=32,
    batch=2,
    depth={
        "image_size": 32,
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "backbone_out_indices": [0, 1],
        "neck_hidden_sizes": [16, 16],
        "reassemble_factors": [1, 0.5],
        "fusion_hidden_size": 16,
        "is_hybrid": False,
    },
    unet=TOY_UNET,
    autoencoder=TOY_AUTOENCODER,
    text={
        "hidden_size": 64,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 20,
    },
    steps=2,
)
