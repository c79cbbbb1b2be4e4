"""Pictures with what viewers must know of them, and how they were made: JPEG and PNG with XMP."""

import io
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from ldm3d.immersive.layout import Layout
from ldm3d.immersive.spherical import RDF, SOFTWARE
from ldm3d.pil import as_rgb

SourceType = Literal["trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"]
SOURCE_TYPES = ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia")
JPEG_LARGEST = 65_500  # Pillow's bound of a side

NAMESPACES = {
    "GPano": "http://ns.google.com/photos/1.0/panorama/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "ldm3d": "urn:ldm3d-on-ray:1.0:",
}
"""GPano: https://developers.google.com/streetview/spherical-metadata
Iptc4xmpExt: https://iptc.org/standards/photo-metadata/ , whose values of DigitalSourceType are at
http://cv.iptc.org/newscodes/digitalsourcetype/"""


@dataclass(frozen=True)
class Provenance:
    """How a picture was made."""

    source: SourceType | None
    """None claims nothing. trainedAlgorithmicMedia: a model drew it. compositeWithTrainedAlgorithmicMedia: it has a
    photograph in it, such as one whose depth a model estimated."""
    model: str = ""
    """Its name, and revision."""
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.source is not None and self.source not in SOURCE_TYPES:
            raise ValueError(f"source is {self.source!r}, wanted one of {', '.join(SOURCE_TYPES)}, or None")
        if not self.model.isprintable():
            raise ValueError(f"model is {self.model!r}, wanted printable characters")

    def texts(self) -> dict[str, str]:
        """Return what is known, by name."""
        seed = {} if self.seed is None else {"seed": str(self.seed)}
        return ({"model": self.model} if self.model else {}) | seed


def jpeg(picture: NDArray[np.uint8], layout: Layout, provenance: Provenance, quality: int = 95) -> bytes:
    """Return a JPEG with XMP.

    Args:
        picture: (H, W, 3) uint8, sRGB.
        layout: of the picture; see `xmp`.
        provenance: how it was made.
        quality: 1 to 100.

    Raises:
        ValueError: a side has more than 65,500 pixels, or quality is out of its range.
    """
    from PIL import Image

    picture = as_rgb(picture)
    if max(picture.shape) > JPEG_LARGEST:
        raise ValueError(f"the picture is {picture.shape[1]} x {picture.shape[0]}, wanted at most 65,500: a PNG can")
    if not 1 <= quality <= 100:
        raise ValueError(f"quality is {quality}, wanted 1 to 100")
    file = io.BytesIO()
    Image.fromarray(picture).save(
        file, "JPEG", quality=quality, subsampling=0, xmp=xmp(picture.shape[0], picture.shape[1], layout, provenance)
    )
    return file.getvalue()


def png(picture: NDArray[np.uint8], layout: Layout, provenance: Provenance) -> bytes:
    """Return a PNG with XMP, and with model and seed as texts of their own, which tools of diffusion look for.

    Arguments are those of `jpeg`.
    """
    from PIL import Image, PngImagePlugin

    picture = as_rgb(picture)
    texts = PngImagePlugin.PngInfo()
    # Pillow's argument xmp= writes nothing into a PNG.
    texts.add_itxt("XML:com.adobe.xmp", xmp(picture.shape[0], picture.shape[1], layout, provenance).decode())
    for name, value in ({"Software": SOFTWARE} | provenance.texts()).items():
        texts.add_itxt(name, value)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", pnginfo=texts)
    return file.getvalue()


def xmp(height: int, width: int, layout: Layout, provenance: Provenance) -> bytes:
    """Return an XMP packet, UTF-8.

    Packed pairs are not described as panoramas (GPano): there is no metadata for stereo stills, and a viewer that
    took both eyes' pictures for one panorama would show each squeezed into half of the sphere. Players of those go by
    the name of the file: `Layout.suffix`.

    Args:
        height: of the picture, in pixels.
        width: of it.
        layout: of the picture.
        provenance: how it was made.

    Raises:
        ValueError: the size is not that of such a panorama.
    """
    facts = {"xmp:CreatorTool": SOFTWARE}
    if provenance.source:
        kind = f"http://cv.iptc.org/newscodes/digitalsourcetype/{provenance.source}"
        facts["Iptc4xmpExt:DigitalSourceType"] = kind
    names = {"model": "Iptc4xmpExt:AISystemUsed", "seed": "ldm3d:seed"}
    facts |= {names[name]: value for name, value in provenance.texts().items()}
    if layout.projection != "flat" and not layout.is_packed:
        facts |= _panorama(height, width, layout)
    used = {name.partition(":")[0] for name in facts}
    spaces = " ".join(f'xmlns:{name}="{NAMESPACES[name]}"' for name in sorted(used))
    lines = "\n  ".join(f"{name}={quoteattr(value)}" for name, value in facts.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        f'<rdf:RDF xmlns:rdf="{RDF}">\n<rdf:Description rdf:about="" {spaces}\n  {lines}/>\n</rdf:RDF>\n'
        '</x:xmpmeta>\n<?xpacket end="w"?>'
    ).encode()


def _panorama(height: int, width: int, layout: Layout) -> dict[str, str]:
    whole = 2 * height
    if width != (whole if layout.projection == "360" else height):
        raise ValueError(
            f"the picture is {width} x {height}, wanted twice as wide as high for 360 degrees, square for 180"
        )
    facts = {
        "ProjectionType": "equirectangular",
        "UsePanoramaViewer": "True",
        "CroppedAreaImageWidthPixels": width,
        "CroppedAreaImageHeightPixels": height,
        "FullPanoWidthPixels": whole,
        "FullPanoHeightPixels": height,
        "CroppedAreaLeftPixels": (whole - width) // 2,
        "CroppedAreaTopPixels": 0,
    }
    return {f"GPano:{name}": str(value) for name, value in facts.items()}
