"""A picture that shows whether latents are right: what was encoded beside what its latent decodes to."""

from typing import Any

import torch

from ldm3d.config import LatentsConfig
from ldm3d.data.latents import decode_latents_rows
from ldm3d.figures.contact_sheet import Sample, contact_sheet
from ldm3d.images import decode_depth, decode_rgb
from ldm3d.sampling.decode import decode_latents
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Shard
from pipelines.workers.resources import prepare_process

SHOWN = 8  # pictures


def latents_sheet(vae: Any, config: LatentsConfig, shard: Shard) -> bytes:
    """Return a PNG of some pictures of a shard, each followed by what the mean of its latent decodes to."""
    prepare_process()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    rows = Folder(config.output).read_table(shard.file("latents"), row_group=0).slice(0, SHOWN)
    means = decode_latents_rows(rows).mean.float().to(device)
    decoded = decode_latents(vae.to(device), means * vae.config["scaling_factor"])
    assert decoded.depth is not None  # the autoencoder knows RGBD
    source = Folder(config.input).read_table(shard.source, columns=["key", "image", "depth"])
    places = {key: place for place, key in enumerate(source["key"].to_pylist())}
    samples = []
    for index, (key, caption) in enumerate(zip(rows["key"].to_pylist(), rows["caption"].to_pylist(), strict=True)):
        (row,) = source.slice(places[key], 1).to_pylist()
        image, depth = decode_rgb(row["image"]["bytes"]), decode_depth(row["depth"]["bytes"])
        samples.append(Sample(image, depth, caption))
        samples.append(Sample(decoded.image[index], decoded.depth[index], "the mean of its latent, decoded"))
    return contact_sheet(samples, columns=4)
