"""Stills say what they show and how they were made, to readers that are not ours."""

import io
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from ldm3d.immersive.layout import Layout
from ldm3d.immersive.still import NAMESPACES, Provenance, jpeg, png
from ldm3d.toy import room

DRAWN = Provenance("trainedAlgorithmicMedia", "a/model & <more>", 7)


@pytest.fixture(scope="module")
def picture():
    return room.panorama(32)[0]


def facts(content: bytes) -> dict[str, str]:
    """The attributes of XMP as Pillow finds it, by their prefixed names."""
    with Image.open(io.BytesIO(content)) as image:
        packet = image.info["xmp"]
    text = packet if isinstance(packet, str) else packet.decode()
    root = ElementTree.fromstring(text[text.index("<x:xmpmeta") : text.index("<?xpacket end")])
    prefixes = {uri: prefix for prefix, uri in NAMESPACES.items()}
    found = {}
    for name, value in next(root.iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")).attrib.items():
        uri, local = name[1:].split("}")
        found[f"{prefixes[uri]}:{local}" if uri in prefixes else local] = value
    return found


@pytest.mark.parametrize("write", [jpeg, png])
def test_a_panorama_says_that_it_is_one_and_how_it_was_made(write, picture):
    found = facts(write(picture, Layout("360"), DRAWN))
    assert {name: value for name, value in found.items() if name.startswith("GPano")} == {
        "GPano:ProjectionType": "equirectangular",
        "GPano:UsePanoramaViewer": "True",
        "GPano:CroppedAreaImageWidthPixels": "64",
        "GPano:CroppedAreaImageHeightPixels": "32",
        "GPano:FullPanoWidthPixels": "64",
        "GPano:FullPanoHeightPixels": "32",
        "GPano:CroppedAreaLeftPixels": "0",
        "GPano:CroppedAreaTopPixels": "0",
    }
    assert found["Iptc4xmpExt:DigitalSourceType"].endswith("/digitalsourcetype/trainedAlgorithmicMedia")
    assert found["Iptc4xmpExt:AISystemUsed"] == "a/model & <more>"
    assert found["ldm3d:seed"] == "7"


def test_half_a_panorama_is_a_cut_out_of_a_whole_one(picture):
    found = facts(png(picture[:, 16:48], Layout("180"), DRAWN))
    assert (found["GPano:FullPanoWidthPixels"], found["GPano:CroppedAreaLeftPixels"]) == ("64", "16")


@pytest.mark.parametrize("layout", [Layout("flat"), Layout("360", "top-bottom"), Layout("180", "side-by-side")])
def test_what_a_viewer_of_panoramas_would_show_wrongly_is_not_called_one(layout, picture):
    found = facts(jpeg(picture, layout, Provenance("compositeWithTrainedAlgorithmicMedia")))
    assert sorted(found) == ["Iptc4xmpExt:DigitalSourceType", "about", "xmp:CreatorTool"]
    assert found["Iptc4xmpExt:DigitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")


def test_a_png_keeps_its_pixels_and_has_seed_and_model_as_texts(picture):
    with Image.open(io.BytesIO(png(picture, Layout(), DRAWN))) as image:
        np.testing.assert_array_equal(np.asarray(image), picture)
        assert image.text["seed"] == "7"
        assert image.text["model"] == "a/model & <more>"


def test_a_jpeg_keeps_the_resolution_of_colours_and_is_as_good_as_asked_for(picture):
    with Image.open(io.BytesIO(jpeg(picture, Layout(), DRAWN, quality=100))) as image:
        assert {channel[1:3] for channel in image.layer} == {(1, 1)}
        assert np.abs(np.asarray(image).astype(int) - picture).mean() < 1


def test_what_makes_no_still_is_refused(picture):
    with pytest.raises(ValueError, match="twice as wide as high for 360 degrees"):
        png(picture[:16], Layout("360"), DRAWN)
    with pytest.raises(ValueError, match="quality is 0"):
        jpeg(picture, Layout(), DRAWN, quality=0)
    with pytest.raises(ValueError, match="65,500"):
        jpeg(np.zeros((1, 65_501, 3), np.uint8), Layout("flat"), DRAWN)
    with pytest.raises(ValueError, match="source is 'photo'"):
        Provenance("photo")
    with pytest.raises(ValueError, match="printable"):
        Provenance("trainedAlgorithmicMedia", "a\x00b")
