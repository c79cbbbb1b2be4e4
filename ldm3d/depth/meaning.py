"""What `predicted_depth` of a depth model means, by its configuration. It is never guessed."""

from typing import Any, Literal

Meaning = Literal["inverse_depth", "depth"]
"""1 / distance, of any scale and shift: larger = nearer; or metres: larger = farther."""

# By model type. Depth Pro predicts 1 / m at a focal length of the image's width.
_PREDICTS: dict[str, Meaning] = {
    "dpt": "inverse_depth",
    "depth_pro": "inverse_depth",
    "glpn": "depth",
    "tipsv2_dpt": "depth",
    "zoedepth": "depth",
}
_ESTIMATES: dict[str, Meaning] = {"relative": "inverse_depth", "metric": "depth"}

# DPT is an architecture, too. With these encoders it is MiDaS, which predicts inverse depth; with others, such as
# DINOv2, it was also trained for metres (NYU, KITTI), and its configuration does not say which.
_MIDAS_ENCODERS = ("vit", "bit", "beit", "swin", "swinv2", "levit")

# What transformers' class for depth estimation predicts nevertheless, by model type.
_NO_DEPTH = {"chmv2": "the height of trees in pictures from above"}


def predicts(
    model_config: Any,
    asked: str = "auto",
    advice: str = "pass --label.predicts inverse_depth (larger = nearer) or depth (larger = farther)",
) -> Meaning:
    """Return what a depth model's output means.

    Args:
        asked: what the caller says it means; `auto` reads it from the configuration.
        advice: for the message if neither says it: what to do.

    Raises:
        ValueError: the model type is not one we know, or does not predict depth, and the caller did not say; or it
            needs more than a picture.
    """
    kind = model_config.model_type
    if kind == "prompt_depth_anything":
        raise ValueError(
            f"the depth model's type {kind!r} completes the depth of a sensor, which pictures of the web do not have; "
            "wanted one that needs the picture alone: give Depth Anything V2, for example"
        )
    if asked != "auto":
        return "depth" if asked == "depth" else "inverse_depth"
    if kind in _NO_DEPTH:
        raise ValueError(
            f"the depth model's type {kind!r} predicts {_NO_DEPTH[kind]}, wanted depth: give another model. If this "
            f"one was trained for depth, {advice}"
        )
    estimates = str(getattr(model_config, "depth_estimation_type", ""))  # set by the Depth Anything family
    meaning = _ESTIMATES.get(estimates) or (_PREDICTS.get(kind) if _is_known(model_config) else None)
    if meaning is None:
        encoder = "" if _is_known(model_config) else f" with the encoder {_encoder(model_config)!r}"
        raise ValueError(f"the depth model's type {kind!r}{encoder} does not say what it predicts: {advice}")
    return meaning


def _is_known(model_config: Any) -> bool:
    """Return whether the type says it all; of DPT, whether it is MiDaS."""
    return model_config.model_type != "dpt" or _encoder(model_config) in _MIDAS_ENCODERS


def _encoder(model_config: Any) -> str:
    """Return the model type of the encoder; DPT's own is a ViT."""
    backbone = getattr(model_config, "backbone_config", None)
    if backbone is None:
        return str(getattr(model_config, "backbone", None) or "vit")  # a name on the hub, or of timm
    return str(backbone["model_type"] if isinstance(backbone, dict) else backbone.model_type)
