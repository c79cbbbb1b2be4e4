"""A DINOv2 with random weights, in transformers' format; a picture takes a millisecond."""

from pathlib import Path

import torch
from transformers import Dinov2Config, Dinov2Model

GRID = 20  # positions a side that the model was made for: another number than 224 / 14


def tiny_dinov2(folder: Path) -> None:
    config = Dinov2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, patch_size=14, image_size=14 * GRID
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Dinov2Model(config)
        for weight in model.parameters():
            torch.nn.init.normal_(weight, std=0.3)  # transformers' own are so small that every picture looks alike
    model.save_pretrained(folder)
