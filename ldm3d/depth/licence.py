"""The licence of a depth model, which extends to the labels that it makes."""

from pathlib import Path

NOT_STATED = "not stated"

_KNOWN = {  # by hub id, from the cards of the models
    "Intel/dpt-large": "apache-2.0",
    "depth-anything/Depth-Anything-V2-Small-hf": "apache-2.0",
    "depth-anything/Depth-Anything-V2-Base-hf": "cc-by-nc-4.0",
    "depth-anything/Depth-Anything-V2-Large-hf": "cc-by-nc-4.0",
    "apple/DepthPro-hf": "apple-amlr",  # for research alone
}


def licence_of(model: str) -> str:
    """Return the licence of a model as its card names it, or "not stated".

    Args:
        model: a folder, whose README.md may name it in its front matter; or a hub id, of which we know some.
    """
    folder = Path(model)
    if not folder.is_dir():
        return _KNOWN.get(model, NOT_STATED)
    card = folder / "README.md"
    if not card.is_file():
        return NOT_STATED
    import yaml
    from huggingface_hub import metadata_load

    try:
        facts = metadata_load(card) or {}
    except (ValueError, yaml.YAMLError, OSError):  # without front matter that is a mapping, or not readable
        return NOT_STATED
    stated = facts.get("license_name") or facts.get("license") or NOT_STATED
    return ", ".join(map(str, stated)) if isinstance(stated, list) else str(stated)
