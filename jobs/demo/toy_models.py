"""The networks that the preset `toy` begins with, without the rest of the demo: `make toy-models`."""

import shutil
from pathlib import Path

from jobs.demo.folder import claim
from jobs.demo.parts import Countdown, minutes

NAMES = ("base", "clip", "depth", "metric_depth")


def make_models(root: Path, countdown: Countdown) -> list[str]:
    """Make those of the networks that are not there. What else is in the folder of the demo stays.

    Args:
        root: of the demo; the networks go to `models/` in it.

    Returns:
        The names of those that were made.

    Raises:
        ValueError: the folder holds files, and nothing says that they are a demo's.
    """
    claim(root)
    models, draft = root / "models", root / "models.draft"
    missing = [name for name in NAMES if not (models / name).is_dir()]
    if not missing:
        return []
    takes = "seconds" if missing == ["base"] else f"about {minutes(countdown.left_s())} on two idle cores"
    countdown.show(f"{models}: making {', '.join(missing)}, which takes {takes}; nothing is downloaded")
    from jobs.demo.networks import train_networks  # seconds of imports
    from ldm3d.toy.diffusion_model import make_base_model

    shutil.rmtree(draft, ignore_errors=True)
    if missing != ["base"]:
        train_networks(draft, countdown)
    countdown.show("base: a small Stable Diffusion with untrained weights")
    make_base_model(draft / "base")
    models.mkdir(exist_ok=True)
    for name in missing:  # complete or absent
        (draft / name).rename(models / name)
    shutil.rmtree(draft)
    return missing
