"""The paper's numbers (arXiv 2305.10853, tables 1 to 3), and what is known to differ where ours stand beside them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ldm3d.config import flat
from ldm3d.results.evaluation import Result
from ldm3d.results.notation import either, fact, span
from ldm3d.results.protocol import protocol_of


@dataclass(frozen=True)
class Published:
    """A row of the paper. values: by metric, with the spread that the paper gives, if it does. count: pictures."""

    name: str
    values: dict[str, tuple[float, float | None]]
    count: int


IMAGES = (
    Published("SD v1.4", {"fid": (28.08, None), "inception_score": (34.17, 0.76), "clip": (26.13, 2.81)}, 30_000),
    Published("SD v1.5", {"fid": (27.39, None), "inception_score": (34.02, 0.79), "clip": (26.13, 2.79)}, 30_000),
    Published("LDM3D", {"fid": (27.82, None), "inception_score": (28.79, 0.49), "clip": (26.61, 2.92)}, 30_000),
)
DEPTH = (
    Published("LDM3D", {"abs_rel": (0.0911, None), "rmse_m": (0.334, None)}, 6_000),
    Published("DPT-Large", {"abs_rel": (0.0779, None), "rmse_m": (0.297, None)}, 6_000),
)
AUTOENCODERS = (
    Published("pre-trained KL-AE, RGB", {"rfid": (0.763, None)}, 31_471),
    Published("fine-tuned KL-AE, RGBD", {"rfid": (1.966, None), "depth_abs_rel": (0.179, None)}, 27_265),
)


def images_differ(results: Sequence[Result]) -> Iterator[str]:
    """Sentences on what differs from table 1. `results`: those that stand beside it."""
    metrics = {each.metric for each in results}
    falls = "; FID falls as their number grows" if "fid" in metrics else ""
    yield f"Pictures: 30,000 in the paper, {_counts(results)} here{falls}."
    yield (
        "Captions: 30,000 of MS-COCO in the paper, which does not say which, nor with which real pictures it compares."
    )
    if "fid" in metrics or "inception_score" in metrics:
        network = _setting(results, "settings.network", "fid", "inception_score")
        resize = _setting(results, "settings.resize", "fid", "inception_score")
        yield (
            "Inception: the paper names neither its library nor how it resizes pictures for the network; "
            f"here the network is {network}, the resize {resize}."
        )
    if "clip" in metrics:
        model = _setting(results, "names.model", "clip")
        yield f"CLIP: the paper does not name its model, and numbers of two models do not compare; here {model}."
    yield (
        f"Crop: 512 x 512 in the paper, which does not say how pictures got there; here the middle of each, "
        f"at {_setting(results, 'size')}, by {_setting(results, 'resize')}."
    )
    yield (
        "Sampling: 50 DDIM steps in the paper, at a guidance scale that it does not give for this table; here "
        f"{_column(results, 'scheduler')}, steps {_column(results, 'num_inference_steps')}, "
        f"guidance {_column(results, 'guidance_scale')}."
    )


def depth_differ(results: Sequence[Result]) -> Iterator[str]:
    """Sentences on what differs from table 2."""
    yield f"Pictures: 6,000 in the paper, {_counts(results)} here."
    yield (
        f"Networks: ZoeDepth-N and DPT-Large in the paper; here {_setting(results, 'names.reference')} "
        f"and {_setting(results, 'names.peer')}."
    )
    yield (
        f"Points of the alignment: the paper does not say how many; here {_setting(results, 'settings.points')} of "
        "each picture."
    )
    yield (
        "Cap: the paper does not say what becomes of pixels that alignment puts at or beyond infinity, and a few of "
        f"them decide RMSE; here capped at {_setting(results, 'settings.max_depth_m')} m, and left out (no cap)."
    )
    yield (
        "Mirror image: the paper does not say whether the reference is averaged with its answer to it; here flip is "
        f"{_setting(results, 'settings.flip')}."
    )


def autoencoders_differ(results: Sequence[Result]) -> Iterator[str]:
    """Sentences on what differs from table 3."""
    metrics = {each.metric for each in results}
    falls = "; rFID falls as their number grows" if "rfid" in metrics else ""
    yield (
        "Pictures: 31,471 and 27,265 of LAION-400M in the paper, which does not say which; "
        f"{_counts(results)} here{falls}."
    )
    if "rfid" in metrics:
        yield "Inception: the paper names neither its library nor how it resizes pictures for the network."
    if "depth_abs_rel" in metrics:
        yield (
            "Abs.Rel.: the paper does not say of what depth, nor what it does where the label is 0; here of stored "
            "inverse depth where it is above 0, and once more with the label taken for at least 1/255 of its range."
        )
    yield "Latents: the paper does not say whether it decodes means or draws."


def _setting(results: Sequence[Result], name: str, *metrics: str) -> str:
    """What the protocols of results (of some metrics) have under a dotted name."""
    of = [each for each in results if not metrics or each.metric in metrics]
    return _either(flat(protocol_of(each)).get(name) for each in of)


def _column(results: Sequence[Result], name: str) -> str:
    return _either(getattr(each, name) for each in results)


def _counts(results: Sequence[Result]) -> str:
    return span(each.num_samples for each in results)


def _either(values: Iterator[object]) -> str:
    return either(_written(value) for value in values)


def _written(value: object) -> str:
    if value is None:
        return "an unknown one"
    if isinstance(value, list) and all(isinstance(side, int) for side in value):
        return " x ".join(map(str, value))
    return fact(value)
