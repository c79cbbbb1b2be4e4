"""The networks that measure pictures, by name, loaded where they run."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ldm3d.config import EvaluateConfig
from ldm3d.config.named import named
from ldm3d.measures import Network
from pipelines.storage.folder import Folder
from pipelines.storage.inputs import readable
from pipelines.storage.models import local_model
from pipelines.workers.resources import prepare_process

if TYPE_CHECKING:
    from ldm3d.measures.depth_agreement import DepthAgreement

FEATURES, SIMILARITY, DINOV2, DEPTH, RECONSTRUCTION = "inception", "clip", "dinov2", "depth", "autoencoder"
PANORAMA_DEPTH, SEAM = "panorama_depth", "seam"
"""Names of networks. That of an autoencoder is followed by a dot and its place among the autoencoders measured."""
AGAINST_REAL = {
    "fid": FEATURES,
    "kid": FEATURES,
    "precision_recall": FEATURES,
    "fd_dinov2": DINOV2,
    "cmmd": SIMILARITY,
}
"""The metrics that compare with real pictures, and the network whose features of both they compare."""


def open_network(name: str, config: EvaluateConfig) -> Network:
    """Load a network.

    Args:
        config: its models may lie on object stores.

    Raises:
        ValueError: weights cannot be obtained, or are not the network's.
    """
    kind, _, place = name.partition(".")
    with ExitStack() as copies:
        if kind == FEATURES:
            return _features(config, copies)
        if kind == SIMILARITY:
            from ldm3d.measures.opened import similarity_of

            clip = copies.enter_context(local_model(config.clip.model, ("",), "--clip.model"))
            embeddings = "cmmd" in config.metrics
            return similarity_of(replace(config.clip, model=clip), _device(), embeddings=embeddings)
        if kind == DINOV2:
            from ldm3d.measures.dinov2 import Dinov2

            dinov2 = copies.enter_context(local_model(config.dinov2.model, ("",), "--dinov2.model"))
            return Dinov2.from_pretrained(replace(config.dinov2, model=dinov2), _device())
        if kind == DEPTH:
            return open_depth(config)
        if kind == PANORAMA_DEPTH:
            from ldm3d.immersive.depth_agreement import PanoramaDepthAgreement

            return PanoramaDepthAgreement(open_depth(config))
        if kind == SEAM:
            from ldm3d.measures.seams import Seams

            return Seams()
        return _autoencoder(config.reconstruction.models[int(place)], config, copies)


def open_depth(config: EvaluateConfig) -> "DepthAgreement":
    """Load the network of depth, which can also return maps.

    Raises:
        ValueError: as in `open_network`.
    """
    from ldm3d.measures.depth_agreement import DepthAgreement

    with ExitStack() as copies:
        reference = copies.enter_context(local_model(config.depth.reference, ("",), "--depth.reference"))
        peer = config.depth.peer and copies.enter_context(local_model(config.depth.peer, ("",), "--depth.peer"))
        depth, edges = replace(config.depth, reference=reference, peer=peer), "depth_edges" in config.metrics
        return DepthAgreement.from_pretrained(depth, _device(), edges=edges)


def try_networks(names: list[str], config: EvaluateConfig) -> dict[str, Any]:
    """Load each network on this worker.

    Returns:
        `fingerprints` and `judges`, both by name, and the `device`. The judge of an autoencoder is the fingerprint of
        what measures it, without the autoencoder; for other networks it is their fingerprint.

    Raises:
        ValueError: a network does not load.
    """
    prepare_process()
    fingerprints, judges = {}, {}
    for name in names:
        network = open_network(name, config)
        fingerprints[name] = network.fingerprint
        judges[name] = getattr(network, "judge", network.fingerprint)
    return {"fingerprints": fingerprints, "judges": judges, "device": _device()}


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _features(config: EvaluateConfig, copies: ExitStack) -> Network:
    from ldm3d.measures.opened import features_of

    weights = copies.enter_context(_local_file(config.inception.weights))
    return features_of(replace(config.inception, weights=weights), _device())


def _autoencoder(model: str, config: EvaluateConfig, copies: ExitStack) -> Network:
    from ldm3d.measures.reconstruction import AutoencoderQuality

    local = copies.enter_context(local_model(named(model)[1], ("vae",), "--reconstruction.models"))
    features = _features(config, copies)
    network: Network = AutoencoderQuality.from_pretrained(local, config.reconstruction, features, _device())
    return network


@contextmanager
def _local_file(file: str) -> Iterator[str]:
    if "://" not in file:
        yield file
        return
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, file.rpartition("/")[2])
        with readable(file, "--inception.weights"):
            copy.write_bytes(Folder(file).read(""))
        yield str(copy)
