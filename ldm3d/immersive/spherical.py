"""Google's metadata for films of 360 and 180 degrees, which YouTube, VLC and most players of headsets read.

Both versions, as some players know one only: V1 is XML in a box of the track, V2 are boxes of the sample entry.
https://github.com/google/spatial-media/tree/master/docs
"""

import struct
from xml.sax.saxutils import escape

from ldm3d.immersive.boxes import box, full_box
from ldm3d.immersive.layout import Layout

SOFTWARE = "LDM3D on Ray"
V1_UUID = bytes.fromhex("ffcc8263f8554a938814587a02521fdd")
QUARTER = 0x3FFF_FFFF  # of the panorama's width, 0.32 fixed point; what Google's own tool writes for 180 degrees
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
GSPHERICAL = "http://ns.google.com/videos/1.0/spherical/"


def entry_boxes(layout: Layout) -> list[bytes]:
    """Return V2's boxes for the sample entry: `st3d`, and `sv3d` where the film is no flat one."""
    if layout.is_plain:
        return []
    stereo = {"top-bottom": 1, "side-by-side": 2}.get(layout.packing, 0)
    found = [full_box(b"st3d", bytes([stereo]))]
    if layout.projection != "flat":
        sides = QUARTER if layout.projection == "180" else 0
        projection = box(
            b"proj",
            full_box(b"prhd", struct.pack(">3i", 0, 0, 0)),  # yaw, pitch and roll
            full_box(b"equi", struct.pack(">4I", 0, 0, sides, sides)),  # cut off: top, bottom, left, right
        )
        found.append(box(b"sv3d", full_box(b"svhd", SOFTWARE.encode() + b"\0"), projection))
    return found


def track_boxes(layout: Layout) -> list[bytes]:
    """Return V1's box for the track, if it is a whole sphere.

    Half a sphere V1 could only call a cut-out, which its readers wrap around the whole.
    """
    if layout.projection != "360":
        return []
    facts = {
        "Spherical": "true",
        "Stitched": "true",
        "StitchingSoftware": SOFTWARE,
        "ProjectionType": "equirectangular",
    }
    if layout.is_packed:
        facts["StereoMode"] = {"side-by-side": "left-right", "top-bottom": "top-bottom"}[layout.packing]
    lines = "".join(f"<GSpherical:{name}>{escape(value)}</GSpherical:{name}>" for name, value in facts.items())
    text = (
        f'<?xml version="1.0"?><rdf:SphericalVideo xmlns:rdf="{RDF}" xmlns:GSpherical="{GSPHERICAL}">'
        f"{lines}</rdf:SphericalVideo>"
    )
    return [box(b"uuid", V1_UUID, text.encode())]
