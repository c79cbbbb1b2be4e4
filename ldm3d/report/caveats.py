"""What readers must know of our numbers: how they differ from the paper's beside them, and of the newer metrics what
decides them. A sentence each."""

from collections.abc import Iterator, Sequence

from ldm3d.config import flat
from ldm3d.results.evaluation import Result
from ldm3d.results.notation import either, fact, span
from ldm3d.results.protocol import protocol_of


def images_caveats(results: Sequence[Result]) -> Iterator[str]:
    """Yield the differences from table 1, for the results that stand beside it."""
    metrics = {each.metric for each in results}
    falls = "; FID falls as their number grows" if "fid" in metrics else ""
    yield f"Pictures: 30,000 in the paper, {_counts(results)} here{falls}."
    yield (
        "Captions: 30,000 of MS-COCO in the paper, which does not say which ones, nor which real pictures it compares "
        "with."
    )
    if "fid" in metrics or "inception_score" in metrics:
        network = _setting(results, "settings.network", "fid", "inception_score")
        resize = _setting(results, "settings.resize", "fid", "inception_score")
        yield (
            "Inception: the paper names neither its library nor its resizing for the network; "
            f"here the network is {network}, the resize {resize}."
        )
    if "clip" in metrics:
        model = _setting(results, "names.model", "clip")
        yield f"CLIP: the paper does not name its model, and numbers of two models are not comparable; here {model}."
    yield (
        "Crop: 512 x 512 in the paper, which does not say how pictures were brought to that size; here the middle of "
        f"each, at {_setting(results, 'size')}, by {_setting(results, 'resize')}."
    )
    yield (
        "Sampling: 50 DDIM steps in the paper, which does not give the guidance scale of this table; here "
        f"{_column(results, 'scheduler')}, steps {_column(results, 'num_inference_steps')}, "
        f"guidance {_column(results, 'guidance_scale')}."
    )


def depth_caveats(results: Sequence[Result]) -> Iterator[str]:
    """Yield the differences from table 2, for the results that stand beside it."""
    yield f"Pictures: 6,000 in the paper, {_counts(results)} here."
    yield (
        f"Networks: ZoeDepth-N and DPT-Large in the paper; here {_setting(results, 'names.reference')} "
        f"and {_setting(results, 'names.peer')}."
    )
    yield (
        "Points of the alignment: the paper does not give their number; here "
        f"{_setting(results, 'settings.points')} per picture."
    )
    yield (
        "Cap: the paper does not say how it treats pixels that the alignment puts at or beyond infinity, and a few of "
        f"them decide RMSE; here capped at {_setting(results, 'settings.max_depth_m')} m, and left out (no cap)."
    )
    yield (
        "Mirror image: the paper does not say whether the reference is averaged with its answer to the mirrored "
        f"picture; here flip is {_setting(results, 'settings.flip')}."
    )


def autoencoders_caveats(results: Sequence[Result]) -> Iterator[str]:
    """Yield the differences from table 3, for the results that stand beside it."""
    metrics = {each.metric for each in results}
    falls = "; rFID falls as their number grows" if "rfid" in metrics else ""
    yield (
        "Pictures: 31,471 and 27,265 of LAION-400M in the paper, which does not say which ones; "
        f"{_counts(results)} here{falls}."
    )
    if "rfid" in metrics:
        yield "Inception: the paper names neither its library nor its resizing for the network."
    if "depth_abs_rel" in metrics:
        yield (
            "Abs.Rel.: the paper does not say for which depth, nor how it treats labels of 0; here for stored inverse "
            "depth where it is above 0, and once more with a denominator of at least 1/255 of its range."
        )
    yield "Latents: the paper does not say whether it decodes means or samples."


def panoramas_caveats(results: Sequence[Result]) -> Iterator[str]:
    """Yield the differences from the card of LDM3D-pano, for the results that stand beside it."""
    metrics = {each.metric for each in results}
    yield (
        "Source: the card of Intel/ldm3d-pano (LDM3D-VR, arXiv 2311.03226), which gives numbers and no protocol: "
        f"not how many pictures, of which captions, against which real ones. Pictures here: {_counts(results)}."
    )
    if "fid" in metrics:
        yield (
            "FID and IS: with few pictures FID is larger; panoramas are no pictures that Inception knows, and are "
            "seen whole, squeezed to its square."
        )
    if "clip" in metrics:
        yield (
            "CLIP: the card does not name its model; here "
            f"{_setting(results, 'names.model', 'clip')}, which sees the middle square of a panorama."
        )
    if "panorama_abs_rel" in metrics:
        yield (
            "AbsRel: the card's is called MARE, without a reference, an alignment or an area; without its largest "
            "tenth it is 0.79. Here it is by area, against "
            f"{_setting(results, 'names.reference', 'panorama_abs_rel')} on tangent views, and aligned in disparity: "
            "the two numbers are hardly comparable."
        )


def newer_caveats(results: Sequence[Result]) -> Iterator[str]:
    """Yield what decides the metrics that are newer than the paper, for those among the results."""
    metrics = {each.metric for each in results}
    if "fd_dinov2" in metrics:
        yield (
            "FD-DINOv2: the Fréchet distance of DINOv2's class token at 224 x 224; of ViT-L/14 in published numbers, "
            f"here of {_setting(results, 'names.model', 'fd_dinov2')}. Like FID it falls as the number of pictures "
            "grows."
        )
    if "cmmd" in metrics:
        yield (
            f"CMMD: of CLIP's embeddings of pictures, here by {_setting(results, 'names.model', 'cmmd')}; published "
            "numbers are those of ViT-L/14 at 336 x 336, and numbers of two models are not comparable."
        )
    if "precision" in metrics:
        yield (
            "Precision and recall: with 3 neighbours, of the features of "
            f"{_setting(results, 'settings.network', 'precision')}; the original is of VGG-16's. Both depend on how "
            "many pictures there are on either side: compare them at equal numbers. The error of recall is that of "
            "the real pictures."
        )
    if metrics & {"edge_f1", "peer_edge_f1"}:
        reference = _setting(results, "names.reference", "edge_f1", "peer_edge_f1")
        yield (
            f"Depth-edge F1: against {reference}, a network whose own edges may be blurred; of the samples' depth, "
            "and of the peer's in the same pictures. It changes with the size of the pictures."
        )


def _setting(results: Sequence[Result], name: str, *metrics: str) -> str:
    """Write the value of a dotted setting in the protocols of results, of some metrics only if any are given."""
    found = [each for each in results if not metrics or each.metric in metrics]
    return _either(flat(protocol_of(each)).get(name) for each in found)


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
