"""A file is kept or rejected; what is wrong beside its pixels costs the orientation at most."""

import io

import cv2
import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray
from PIL import Image

from ldm3d.config import DownloadConfig, SelectConfig
from ldm3d.decode import SquareImage, make_square
from ldm3d.reject import Reason, Rejected
from tests.fuzz import examples
from tests.fuzz.pictures import File, files

SIDE, MAX_PIXELS = 16, 1_000_000
DOWNLOAD, SELECT = DownloadConfig(image_size=SIDE, max_pixels=MAX_PIXELS), SelectConfig(max_aspect_ratio=100)
REASONS = {
    Reason.NOT_AN_IMAGE,
    Reason.DECODE_FAILED,
    Reason.TOO_MANY_PIXELS,
    Reason.BAD_ASPECT_RATIO,
    Reason.TOO_SMALL,
}


@pytest.fixture(autouse=True, scope="module")
def silence():
    """OpenCV tells of every broken file."""
    before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    yield
    cv2.utils.logging.setLogLevel(before)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@given(files())
@examples()
def test_a_file_is_kept_or_rejected(file: File):
    found = end_of(file.content)
    if isinstance(found, SquareImage):
        assert Image.open(io.BytesIO(found.jpeg)).size == (SIDE, SIDE)
        assert found.original_width * found.original_height <= MAX_PIXELS
    else:
        assert found in REASONS
    if file.shows_the_same:
        assert found in (end_of(file.clean), end_of(file.upright))
    # Of a damaged BMP, TIFF or AVIF, OpenCV reads headers that Pillow refuses.
    if found == Reason.NOT_AN_IMAGE and file.kind in ("PNG", "JPEG", "WEBP", "GIF"):
        assert pixels_of(file.content) is None


def end_of(content: bytes) -> SquareImage | Reason:
    try:
        return make_square(content, DOWNLOAD, SELECT)
    except Rejected as rejected:
        return rejected.reason


def pixels_of(content: bytes) -> NDArray | None:
    """What img2dataset's decoder reads."""
    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
