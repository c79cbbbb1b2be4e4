"""The networks of Stable Diffusion v1.4 with random weights."""

from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from ldm3d.models.stable_diffusion import AUTOENCODER, UNET

TEXT_ENCODER = {
    "vocab_size": 49_408,
    "hidden_size": 768,
    "intermediate_size": 3_072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "max_position_embeddings": 77,
    "projection_dim": 768,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "pad_token_id": 1,
}


def build() -> tuple[AutoencoderKL, UNet2DConditionModel, CLIPTextModel]:
    """Build autoencoder, U-Net and text encoder with random weights, on torch's default device, in its default dtype.

    Under `torch.device("meta")` this takes neither time nor memory.
    """
    return AutoencoderKL(**AUTOENCODER), UNet2DConditionModel(**UNET), CLIPTextModel(CLIPTextConfig(**TEXT_ENCODER))
