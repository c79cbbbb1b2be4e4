"""A name for what is in the folder of a local model, wherever the folder lies."""

import hashlib
from pathlib import Path

READ = (".safetensors", ".bin", ".json")  # weights and settings: what `from_pretrained` reads


def fingerprint_of_folder(folder: Path) -> str:
    """`sha256:` and 16 hex digits, which change with the weights and settings of the model in a folder."""
    digest = hashlib.sha256()
    for file in sorted(file for file in folder.iterdir() if file.suffix in READ):
        with file.open("rb") as content:
            digest.update(f"{file.name}:{hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    return f"sha256:{digest.hexdigest()[:16]}"
