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
from ldm3d.measures import Measure
from pipelines.storage.folder import Folder
from pipelines.storage.models import model_copy
from pipelines.workers.resources import hide_other_gpus

if TYPE_CHECKING:
    from ldm3d.measures.depth_agreement import DepthAgreement

FEATURES, SIMILARITY, DEPTH, RECONSTRUCTION = "inception", "clip", "depth", "autoencoder"
"""Names of measures; an autoencoder's is followed by a point and its place among those that are measured."""


def open_measure(name: str, config: EvaluateConfig) -> Measure:
    """
    Args:
        config: its models may lie on object stores.

    Raises:
        ValueError: weights cannot be had, or are not what they should be.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, place = name.partition(".")
    with ExitStack() as copies:
        if kind == FEATURES:
            return _features(config, device, copies)
        if kind == SIMILARITY:
            from ldm3d.measures.opened import similarity_of

            clip = copies.enter_context(_local(config.clip.model, "", "clip.model"))
            return similarity_of(replace(config.clip, model=clip), device)
        if kind == DEPTH:
            return open_depth(config)
        return _autoencoder(config.reconstruction.models[int(place)], config, device, copies)


def try_measures(names: list[str], config: EvaluateConfig) -> dict[str, Any]:
    """Load each on this worker. Returns their fingerprints by name, those of `networks` without the autoencoder that
    is measured, and the device.

    Raises:
        ValueError: one does not load.
    """
    hide_other_gpus()
    torch.set_num_threads(1)
    fingerprints, networks = {}, {}
    for name in names:
        measure = open_measure(name, config)
        fingerprints[name] = measure.fingerprint
        networks[name] = getattr(measure, "judge", measure.fingerprint)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return {"fingerprints": fingerprints, "networks": networks, "device": device}


def _features(config: EvaluateConfig, device: str, copies: ExitStack) -> Measure:
    from ldm3d.measures.opened import features_of

    weights = copies.enter_context(_local_file(config.inception.weights))
    return features_of(replace(config.inception, weights=weights), device)


def open_depth(config: EvaluateConfig) -> "DepthAgreement":
    """The measure of depth, which gives maps, too.

    Raises:
        ValueError: as `open_measure`.
    """
    from ldm3d.measures.depth_agreement import DepthAgreement

    device = "cuda" if torch.cuda.is_available() else "cpu"
    with ExitStack() as copies:
        reference = copies.enter_context(_local(config.depth.reference, "", "depth.reference"))
        peer = config.depth.peer and copies.enter_context(_local(config.depth.peer, "", "depth.peer"))
        return DepthAgreement.from_pretrained(replace(config.depth, reference=reference, peer=peer), device)


def _autoencoder(model: str, config: EvaluateConfig, device: str, copies: ExitStack) -> Measure:
    from ldm3d.measures.reconstruction import AutoencoderQuality

    local = copies.enter_context(_local(named(model)[1], "vae", "reconstruction.models"))
    features = _features(config, device, copies)
    measure: Measure = AutoencoderQuality.from_pretrained(local, config.reconstruction, features, device)
    return measure


@contextmanager
def _local(model: str, part: str, setting: str) -> Iterator[str]:
    """A model as from_pretrained takes it: a hub id or path as it is, another as a copy for as long as it loads."""
    if "://" not in model:
        yield model
        return
    with model_copy(model, (part,), setting) as folder:
        yield folder


@contextmanager
def _local_file(file: str) -> Iterator[str]:
    if "://" not in file:
        yield file
        return
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, file.rpartition("/")[2])
        try:
            copy.write_bytes(Folder(file).read(""))
        except OSError as error:
            raise ValueError(f"inception.weights {file!r} cannot be read: {error}") from error
        yield str(copy)
