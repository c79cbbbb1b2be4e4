"""Meshes as GLB, the binary form of glTF 2.0, which browsers, engines and Blender open.

The picture is unlit (KHR_materials_unlit): it has its light in it. Positions are 16-bit integers and places in the
picture as well (KHR_mesh_quantization): half the bytes, and readers need no decoder. The integers of positions are not
normalised, as not all readers divide those; the node's scale makes metres of them.
"""

import io
import json
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldm3d.immersive.mesh import Mesh

FLOAT, SHORT, UNSIGNED_SHORT, UNSIGNED_INT = 5126, 5122, 5123, 5125
SHORT_MAX = 32_767
ARRAY, ELEMENTS = 34962, 34963
LINEAR, MIPMAPS, REPEAT, CLAMP = 9729, 9987, 10497, 33071


def mesh_glb(
    meshes: list[Mesh], facts: dict[str, Any] | None = None, quality: int = 90, *, wraps: bool = True
) -> bytes:
    """Return a GLB file.

    Args:
        meshes: for example that of a panorama, and that of what it hides.
        facts: what should be known of it, into `asset.extras`: what depth means, for one. JSON.
        quality: of the pictures' JPEGs, 1 to 100.
        wraps: whether the last column of the picture is beside the first one, as in a panorama.
    """
    parts = Parts()
    step = max(float(np.abs(mesh.positions).max()) for mesh in meshes) / SHORT_MAX
    primitives, materials, textures, images = [], [], [], []
    for place, mesh in enumerate(meshes):
        attributes = {"POSITION": _positions(parts, mesh.positions / step), "TEXCOORD_0": _uv(parts, mesh.uv)}
        indices = parts.accessor(mesh.triangles.ravel(), UNSIGNED_INT, "SCALAR", ELEMENTS)
        primitives.append({"attributes": attributes, "indices": indices, "material": place})
        images.append({"bufferView": parts.view(_jpeg(mesh.picture, quality)), "mimeType": "image/jpeg"})
        textures.append({"source": place, "sampler": 0})
        materials.append(
            {
                "pbrMetallicRoughness": {"baseColorTexture": {"index": place}, "metallicFactor": 0},
                "doubleSided": True,  # some viewers begin outside
                "extensions": {"KHR_materials_unlit": {}},
            }
        )
    return glb(
        {
            "extensionsUsed": ["KHR_materials_unlit", "KHR_mesh_quantization"],
            "extensionsRequired": ["KHR_mesh_quantization"],
            "nodes": [{"mesh": 0, "scale": [step] * 3, "name": "panorama" if wraps else "picture"}],
            "meshes": [{"primitives": primitives}],
            "materials": materials,
            "textures": textures,
            "images": images,
            "samplers": [
                {"magFilter": LINEAR, "minFilter": MIPMAPS, "wrapS": REPEAT if wraps else CLAMP, "wrapT": CLAMP}
            ],
        },
        parts,
        facts,
    )


class Parts:
    """The binary chunk of a file, and what is where in it."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.blob = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def view(self, content: bytes, **facts: int) -> int:
        """Append bytes, and return the number of their view."""
        self.views.append({"buffer": 0, "byteOffset": len(self.blob), "byteLength": len(content), **facts})
        self.blob += content + bytes(-len(content) % 4)
        return len(self.views) - 1

    def accessor(self, values: NDArray[Any], kind: int, shape: str, target: int = ARRAY, **facts: Any) -> int:
        """Append numbers of a component type, and return the number of their accessor."""
        stride = {"byteStride": values[0].nbytes} if target == ARRAY else {}
        content = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
        view = self.view(content, target=target, **stride)
        self.accessors.append(
            {"bufferView": view, "componentType": kind, "count": len(values), "type": shape, **facts}
        )
        return len(self.accessors) - 1


def glb(document: dict[str, Any], parts: Parts, facts: dict[str, Any] | None) -> bytes:
    """Return a GLB file of a document without its asset, scene, buffer, views and accessors."""
    asset: dict[str, Any] = {"version": "2.0", "generator": "ldm3d"}
    if facts:
        asset["extras"] = facts
    whole = {
        "asset": asset,
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        **document,
        "accessors": parts.accessors,
        "bufferViews": parts.views,
        "buffers": [{"byteLength": len(parts.blob)}],
    }
    text = json.dumps(whole, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + len(parts.blob))
    return b"".join(
        [
            head,
            struct.pack("<I4s", len(text), b"JSON"),
            text,
            struct.pack("<I4s", len(parts.blob), b"BIN\0"),
            parts.blob,
        ]
    )


def _positions(parts: Parts, steps: NDArray[np.float32]) -> int:
    """Append positions in steps as 16-bit integers, with a fourth that fills up 8 bytes."""
    whole = np.zeros((len(steps), 4), np.int16)
    whole[:, :3] = np.round(steps)
    bounds = {"min": whole[:, :3].min(axis=0).tolist(), "max": whole[:, :3].max(axis=0).tolist()}
    return parts.accessor(whole, SHORT, "VEC3", **bounds)


def _uv(parts: Parts, uv: NDArray[np.float32]) -> int:
    return parts.accessor(np.round(uv * 65_535).astype(np.uint16), UNSIGNED_SHORT, "VEC2", normalized=True)


def _jpeg(picture: NDArray[np.uint8], quality: int) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return file.getvalue()
