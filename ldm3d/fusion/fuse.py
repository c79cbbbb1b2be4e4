"""One picture to a folder, without a cluster."""

import json
import logging
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ldm3d.config import DepthFusionConfig, to_json
from ldm3d.config.exports import FORMATS
from ldm3d.fusion.behind import behind_of
from ldm3d.fusion.exports import check_installed
from ldm3d.fusion.panorama import Panorama
from ldm3d.fusion.place import FACTS, INDEX, write_place
from ldm3d.fusion.reading import read_panorama
from ldm3d.fusion.unmeasured import Unmeasured
from ldm3d.reject import Rejected

if TYPE_CHECKING:
    from ldm3d.fusion.estimate import PanoramaEstimator
    from ldm3d.fusion.redraw import Redrawer

logger = logging.getLogger(__name__)

DRAFT = ".making-"  # how the folder begins in which files are written before they are moved


def fuse(config: DepthFusionConfig, *, dry_run: bool = False) -> dict[str, Any]:
    """Make a place of `config.input`, one picture with depth, or of what a model draws. The folder is filled when all
    files are whole.

    Returns:
        What is in `place.json` (`ldm3d.fusion.place`), with `index`, the page to open; for a dry run the
        configuration, and what depth means.

    Raises:
        ValueError: a place is not local, files or settings cannot be used, or the output holds something else. Raised
            before any work starts.
        NotFiniteError: the model gave NaN or infinity.
    """
    folder = Path(config.output)
    check_installed(config.exports.formats or FORMATS)
    _check_places(config, folder)
    is_drawn = config.input is None and config.prompt is not None
    given = None if is_drawn else read_panorama(config)
    if given is not None:
        config.formats_for(is_flat=given.is_flat)
    estimator = _estimator(config) if isinstance(given, Unmeasured) else None
    redrawer = _redrawer(config) if config.draws else None
    if dry_run:
        return {"config": to_json(config)} | _known(given, estimator)
    panorama = _drawn(_estimated(given, estimator), redrawer, config)
    return _written(panorama, config, folder, redrawer)


def _estimator(config: DepthFusionConfig) -> "PanoramaEstimator":
    """Open the depth model.

    Raises:
        ValueError: it does not open, or it is not known what it predicts or what that means.
    """
    from ldm3d.fusion.estimate import PanoramaEstimator

    return PanoramaEstimator.from_pretrained(config.depth).placed()


def _redrawer(config: DepthFusionConfig) -> "Redrawer":
    """Open the model that draws.

    Raises:
        ValueError: it does not open, draws no depth, or does not draw panoramas of this size.
    """
    from ldm3d.fusion.redraw import Redrawer
    from ldm3d.sampling.pipeline import RgbdPipeline

    model = config.model
    opened = Redrawer(RgbdPipeline.from_pretrained(model.model[0], model.revision, setting="--model.model"), config)
    if config.input is None:
        opened.size()
    return opened


def _estimated(given: Panorama | Unmeasured | None, estimator: "PanoramaEstimator | None") -> Panorama | None:
    """Estimate the depth of a picture that has no map.

    Raises:
        ValueError: the model sees none in it.
    """
    if not isinstance(given, Unmeasured):
        return given
    assert estimator is not None  # it is opened for such a picture
    logger.info("estimating depth")
    try:
        return estimator(given)
    except Rejected as error:
        raise ValueError(f"{given.title}: {error.detail}: give its map, or another --depth.model") from error


def _known(given: Panorama | Unmeasured | None, estimator: "PanoramaEstimator | None") -> dict[str, Any]:
    """Return what is known of depth before any work."""
    if isinstance(given, Panorama):
        return {"depth": given.meaning()}
    if given is None or estimator is None:
        return {}
    return {"depth": {"given_as": "estimated", "estimated": estimator.about_of(given.projection)}}


def _drawn(given: Panorama | None, redrawer: "Redrawer | None", config: DepthFusionConfig) -> Panorama:
    """Return the panorama as it is shown: given, redrawn, or drawn."""
    if redrawer is None or config.prompt is None:
        assert given is not None  # the settings are refused without either
        return given
    logger.info("drawing the panorama")
    return redrawer.draw(config.seed) if given is None else redrawer(given, config.seed)


def _written(
    panorama: Panorama, config: DepthFusionConfig, folder: Path, redrawer: "Redrawer | None"
) -> dict[str, Any]:
    """Write a place within its folder, then move its files to where they belong: a run that is stopped leaves the old
    ones, and one that ends leaves no others."""
    folder.mkdir(parents=True, exist_ok=True)
    before = {*_listed(folder), FACTS, INDEX}
    for stale in folder.glob(f"{DRAFT}*"):  # of a run that was killed
        shutil.rmtree(stale)
    with tempfile.TemporaryDirectory(prefix=DRAFT, dir=folder) as draft:
        facts = write_place(panorama, config, Path(draft), behind_of(config, redrawer, config.seed))
        made = {file.name for file in Path(draft).iterdir()}
        # First what tells that the folder is ours, and the page when all that it shows is there.
        for name in [FACTS, *sorted(made - {FACTS, INDEX}), INDEX]:
            shutil.move(Path(draft, name), folder / name)
    for name in before - made:
        (folder / name).unlink(missing_ok=True)
    return facts | {"index": str(folder / INDEX)}


def _listed(folder: Path) -> list[str]:
    """Return the files that an earlier run wrote."""
    try:
        files = json.loads((folder / FACTS).read_text(encoding="utf-8"))["files"]
        return [name for name in files if Path(name).name == name]
    except (OSError, ValueError, KeyError):
        return []


def _check_places(config: DepthFusionConfig, folder: Path) -> None:
    for flag, place in (
        ("--input", config.input),
        ("--output", config.output),
        ("--depth.source", config.depth.source),
    ):
        if place is not None and "://" in place:
            raise ValueError(
                f"{flag} {place!r} is not local: one panorama is done on this machine; give a local file, or as "
                "--input the folder it is in, for a cluster"
            )
    if folder.is_file():
        raise ValueError(f"--output {config.output!r} is a file: give a folder")
    files = folder.iterdir() if folder.is_dir() else ()
    held = sorted(file.name for file in files if not file.name.startswith(DRAFT))
    if held and FACTS not in held:
        raise ValueError(f"--output {config.output!r} holds other files ({len(held)}, {held[0]} first): give another")
