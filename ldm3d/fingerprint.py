"""Names for content: of a model's folder, of a network's weights, of plain values."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

READ = (".safetensors", ".bin", ".json")  # weights and settings: what `from_pretrained` reads


def fingerprint_of_folder(folder: Path) -> str:
    """Return `sha256:` and 16 hex digits, which change with the weights and settings of the model in a folder."""
    digest = hashlib.sha256()
    for file in sorted(file for file in folder.iterdir() if file.suffix in READ):
        with file.open("rb") as content:
            digest.update(f"{file.name}:{hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    return f"sha256:{digest.hexdigest()[:16]}"


def fingerprint_of(*parts: object) -> str:
    """Return SHA-256, in hex, of plain values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def settings_of(part: Any) -> dict[str, str]:
    """Return the settings of a model or image processor of transformers, without those that say where it lies and what
    wrote it."""
    passing = ("_name_or_path", "architectures", "dtype", "transformers_version")
    return {name: str(value) for name, value in sorted(part.to_dict().items()) if name not in passing}


def fingerprint_of_network(network: nn.Module) -> str:
    """Return SHA-256, in hex, of the names, types, shapes and bytes of all weights, in any layout, on any device."""
    digest = hashlib.sha256()
    for name, weight in sorted(network.state_dict().items()):
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}\n".encode())
        digest.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
