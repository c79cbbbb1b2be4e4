"""GLB files open in software that is not ours, to the same places and the same picture."""

import io
import json
import struct

import numpy as np
import pytest
import trimesh
from PIL import Image

from ldm3d.immersive.glb import mesh_glb
from ldm3d.immersive.mesh import mesh_of
from ldm3d.immersive.splats import splat_glb, splats_of
from ldm3d.immersive.surface import panorama_surface
from ldm3d.toy import room


@pytest.fixture(scope="module")
def surface():
    return panorama_surface(*room.panorama(32))


def document_of(content: bytes) -> dict:
    magic, version, length = struct.unpack_from("<4sII", content)
    size, kind = struct.unpack_from("<I4s", content, 12)
    assert (magic, version, length, kind) == (b"glTF", 2, len(content), b"JSON")
    return json.loads(content[20 : 20 + size])


def test_trimesh_reads_the_same_triangles_at_the_same_places(surface):
    mesh = mesh_of(surface)
    scene = trimesh.load(io.BytesIO(mesh_glb([mesh])), file_type="glb", process=False)
    (found,) = scene.dump()
    np.testing.assert_array_equal(found.faces, mesh.triangles)
    np.testing.assert_allclose(found.vertices, mesh.positions, atol=np.abs(mesh.positions).max() / 32_767)
    picture = np.asarray(found.visual.material.baseColorTexture.convert("RGB"))
    assert np.abs(picture.astype(int) - mesh.picture).mean() < 6


def test_it_is_unlit_and_seen_from_both_sides(surface):
    document = document_of(mesh_glb([mesh_of(surface)]))
    (material,) = document["materials"]
    assert material["extensions"] == {"KHR_materials_unlit": {}}
    assert material["doubleSided"]
    assert document["extensionsRequired"] == ["KHR_mesh_quantization"]


def test_views_begin_and_end_on_four_bytes_and_bounds_are_those_of_the_numbers(surface):
    document = document_of(mesh_glb([mesh_of(surface)] * 2))
    assert all(view["byteOffset"] % 4 == 0 for view in document["bufferViews"])
    assert all(view.get("byteStride", 4) % 4 == 0 for view in document["bufferViews"])
    position = document["accessors"][0]
    assert max(map(abs, position["min"] + position["max"])) == 32_767


def test_what_depth_means_travels_with_it(surface):
    facts = {"unit": "m", "near": 0.9, "caption": "</script> a 'room'"}
    assert document_of(mesh_glb([mesh_of(surface)], facts))["asset"]["extras"] == facts
    with pytest.raises(ValueError, match="JSON compliant"):
        mesh_glb([mesh_of(surface)], {"near": float("nan")})


def test_quality_is_that_of_the_jpeg(surface):
    small, large = (mesh_glb([mesh_of(surface)], quality=quality) for quality in (40, 95))
    assert len(small) < len(large)


def test_a_glb_of_splats_declares_all_that_the_extension_requires(surface):
    splats = splats_of(surface)
    document = document_of(splat_glb(splats, {"unit": "m"}))
    (primitive,) = document["meshes"][0]["primitives"]
    extension = primitive["extensions"]["KHR_gaussian_splatting"]
    assert extension == {"kernel": "ellipse", "colorSpace": "srgb_rec709_display"}
    assert primitive["mode"] == 0
    names = {name.removeprefix("KHR_gaussian_splatting:") for name in primitive["attributes"]}
    assert names == {"POSITION", "COLOR_0", "ROTATION", "SCALE", "OPACITY", "SH_DEGREE_0_COEF_0"}
    assert {accessor["count"] for accessor in document["accessors"]} == {len(splats.positions)}


def test_the_jpeg_inside_is_one(surface):
    content = mesh_glb([mesh_of(surface)])
    start = content.index(b"\xff\xd8\xff")
    assert Image.open(io.BytesIO(content[start:])).size == (64, 32)
