"""Apple's metadata for stereo and immersive films, which visionOS 26 and QuickTime read.

Boxes are those of Apple's "Stereo Video ISOBMFF Extensions" (2023), to which "QuickTime and ISO Base Media File
Formats and Spatial and Immersive Media" (2025) adds projections and packing. FFmpeg from 7.1 on reads them.
https://developer.apple.com/av-foundation/Stereo-Video-ISOBMFF-Extensions.pdf
"""

import struct

from ldm3d.immersive.boxes import box, full_box
from ldm3d.immersive.camera import IPD
from ldm3d.immersive.layout import Layout

LEFT, RIGHT = 1, 2  # bits of what is in the track
NO_HERO = 0  # neither eye is the better one


def entry_boxes(layout: Layout, ipd: float = IPD) -> list[bytes]:
    """Return the box `vexu` for the sample entry, or none if there is nothing to say.

    A mono film of 360 or 180 degrees has a projection; a stereo one eyes, projection and packing; a flat stereo one
    eyes and packing.

    Args:
        layout: of the film.
        ipd: metres between the eyes.
    """
    if not 0 <= ipd < 2**32 / 1e6:
        raise ValueError(f"ipd is {ipd}, wanted metres from 0 to 4,294")
    parts = []
    if layout.is_packed:
        baseline = full_box(b"blin", struct.pack(">I", round(ipd * 1e6)))  # micrometres
        views = full_box(b"stri", bytes([LEFT | RIGHT]))
        parts.append(box(b"eyes", views, full_box(b"hero", bytes([NO_HERO])), box(b"cams", baseline)))
    if layout.projection != "flat":
        kind = {"360": b"equi", "180": b"hequ"}[layout.projection]
        parts.append(box(b"proj", full_box(b"prji", kind)))
    if layout.is_packed:
        kind = {"side-by-side": b"side", "top-bottom": b"over"}[layout.packing]
        parts.append(box(b"pack", full_box(b"pkin", kind)))
    return [box(b"vexu", *parts)] if parts else []
