"""What a run of `encode_latents` works on, checked before anything starts."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import torch

from ldm3d.config import EncodeConfig, LatentsConfig, ModelConfig
from ldm3d.data.pictures import Pictures
from ldm3d.encoding.latent_encoder import LatentEncoder
from ldm3d.fingerprint import fingerprint_of_network
from ldm3d.images import decode_rgb
from ldm3d.models.base import load_text
from ldm3d.models.text import fingerprint_of_text
from ldm3d.sampling.decode import pixel_factor
from pipelines.latents.corpus_shards import CorpusShards
from pipelines.latents.encode_shards import COLUMNS
from pipelines.storage.folder import Folder
from pipelines.storage.models import open_autoencoder
from pipelines.storage.run import check_folders
from pipelines.workers.resources import prepare_process

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from transformers import CLIPTextModel, CLIPTokenizer


@dataclass(frozen=True)
class EncodePlan:
    """A corpus and an autoencoder that fit each other."""

    config: LatentsConfig
    corpus: CorpusShards
    vae: "AutoencoderKL"
    text: "tuple[CLIPTextModel, CLIPTokenizer] | None"
    """What encodes captions; None if they are not stored encoded."""
    image_size: int
    """Side S of the pictures, in pixels."""

    @classmethod
    def of(cls, config: LatentsConfig) -> Self:
        """Open corpus and networks, and check that they fit each other.

        Raises:
            ValueError: corpus, autoencoder or text encoder cannot be used, or they do not fit each other.
        """
        check_folders(config.input, config.output, "encode_latents")
        corpus = CorpusShards.of(config.input, COLUMNS)
        vae = open_autoencoder(config.model.autoencoder, config.model.revision)
        size, factor = _image_size(Folder(config.input), corpus), pixel_factor(vae)
        if size % factor:
            raise ValueError(
                f"--input {config.input!r} has pictures of {size} pixels, wanted a multiple of {factor} for "
                f"--model.autoencoder {config.model.autoencoder!r}: rebuild the corpus with another "
                "--download.image-size"
            )
        return cls(config, corpus, vae, _text(config, vae), size)

    @property
    def rows(self) -> int:
        """Number of rows of the corpus."""
        return sum(shard.rows for shard in self.corpus.shards)

    def about_autoencoder(self) -> dict[str, Any]:
        """Return what the success marker says about the autoencoder."""
        return {
            "model": self.config.model.autoencoder,
            "revision": self.config.model.revision,
            "fingerprint": fingerprint_of_network(self.vae),
            "channels": self.vae.config["in_channels"],
            "scaling_factor": self.vae.config["scaling_factor"],
        }

    def about_text(self) -> dict[str, Any] | None:
        """Return what the success marker says about the text encoder; None if captions are not stored encoded."""
        if self.text is None:
            return None
        about, text_encoder = self.config.text, self.text[0].config
        return {
            "base": about.base,
            "revision": about.revision,
            "fingerprint": fingerprint_of_text(*self.text),
            "shape": [text_encoder.max_position_embeddings, text_encoder.hidden_size],
        }


def try_encoder(vae: "AutoencoderKL", config: EncodeConfig, image_size: int) -> dict[str, Any]:
    """Encode a full batch. Return the device, the precision, and the shape [c, h, w] of a latent.

    Raises:
        ValueError: the batch does not fit the device, or its latents are NaN or infinite.
    """
    prepare_process()
    encoder = LatentEncoder(vae, config)
    shape = (config.batch_size, image_size, image_size)
    image, depth = torch.zeros(*shape, 3, dtype=torch.uint8), torch.zeros(shape, dtype=torch.uint16)
    try:
        encoded = encoder(Pictures(image, depth))
    except torch.OutOfMemoryError as error:
        raise ValueError(
            f"--encode.batch-size {config.batch_size} does not fit the GPU ({error}): lower it"
        ) from error
    if not encoded.is_finite.any():
        raise ValueError(
            "--model.autoencoder gives NaN or infinity for a black picture: try --encode.precision fp32, and check "
            "that none of its weights is NaN"
        )
    return {
        "latent_shape": list(encoded.mean.shape[1:]),
        "device": encoder.vae.device.type,
        "precision": str(encoder.vae.dtype).removeprefix("torch."),
    }


def _text(config: LatentsConfig, vae: Any) -> "tuple[CLIPTextModel, CLIPTokenizer] | None":
    wanted = config.text
    if wanted.base is None:
        return None
    model = ModelConfig(base=wanted.base, revision=wanted.revision, channels=vae.config.in_channels)
    return load_text(model, setting="--text.base")


def _image_size(folder: Folder, corpus: CorpusShards) -> int:
    """Return the side, in pixels, of the first picture in the first row group that decodes."""
    rows = folder.read_table(corpus.shards[0].source, columns=["image"], row_group=0)
    for image in rows["image"].to_pylist():
        try:
            return int(decode_rgb(image["bytes"]).shape[0])
        except Exception:  # OpenCV has exceptions of its own
            continue  # it will be a reject
    raise ValueError(f"--input {folder.url!r}: no picture of the first {rows.num_rows} decodes; rebuild the corpus")
