"""An export is taken for whole only when it is."""

from pathlib import Path

import pytest

from ldm3d.config import AutoencoderConfig, ModelConfig
from ldm3d.models.base import load_autoencoder
from ldm3d.training.reconstructor import Reconstructor
from pipelines.storage.folder import Folder
from pipelines.training import export


class Disk(Folder):
    """Has room for `room` more files."""

    room = 2

    def write(self, name: str, content: bytes) -> None:
        if Disk.room == 0:
            raise OSError(28, "No space left on device")
        Disk.room -= 1
        super().write(name, content)


def test_the_file_that_diffusers_opens_first_goes_first_and_comes_last(toy_base, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "Folder", Disk)
    config = AutoencoderConfig(input="in", output="out", model=ModelConfig(base=str(toy_base)))
    weights = Reconstructor(load_autoencoder(config.model)).state_dict()
    output = Folder(str(tmp_path))
    export.export_autoencoder(config, weights, output)
    whole = {file: file.read_bytes() for file in Path(tmp_path, "vae").iterdir()}
    assert {file.name for file in whole} == {"config.json", "diffusion_pytorch_model.safetensors"}
    for Disk.room in (0, 1):
        with pytest.raises(OSError, match="No space left"):
            export.export_autoencoder(config, weights, output)
        assert not (tmp_path / "vae/config.json").exists()
    Disk.room = 2
    export.export_autoencoder(config, weights, output)
    assert {file: file.read_bytes() for file in whole} == whole
