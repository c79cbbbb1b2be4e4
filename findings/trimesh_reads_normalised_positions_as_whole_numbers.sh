#!/usr/bin/env bash
# Expected: positions of a glTF mesh as normalised 16-bit integers (KHR_mesh_quantization) are divided by 32,767 when
# they are read, as glTF 2.0 says of accessors that are `normalized`, and then scaled by their node.
# Happens: trimesh 5.2.0 passes over `normalized`, and over the extension that the file requires, without a word: the
# mesh is 32,767 times as large as it is. Places in the picture (UVs) come out up to 65,535 instead of up to 1.
# Why it matters: panoramas as meshes are written that way to halve them. Positions as integers that are not normalised,
# with the factor in the node's scale, are read rightly by all.
set -euo pipefail
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
"${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -I -m pip install -qq "trimesh==5.2.0" "numpy==2.4.6"
nice -n 10 "$venv/bin/python" -I - <<'EOF'
import io
import json
import struct
import sys

import numpy as np
import trimesh


def triangle(normalised):
    """A triangle with corners at 0, 2 m along x and 2 m along y, as GLB."""
    corners = np.array([[0, 0, 0, 0], [32_767, 0, 0, 0], [0, 32_767, 0, 0]], "<i2")
    places = np.array([[0, 0], [65_535, 0], [0, 65_535]], "<u2")
    indices = np.array([0, 1, 2, 0], "<u2")  # and two bytes of padding
    blob = corners.tobytes() + places.tobytes() + indices.tobytes()
    position = {"bufferView": 0, "componentType": 5122, "count": 3, "type": "VEC3"}
    position |= {"min": [0, 0, 0], "max": [32_767, 32_767, 0]}
    place = {"bufferView": 1, "componentType": 5123, "count": 3, "type": "VEC2", "normalized": True}
    if normalised:
        position["normalized"] = True
    document = {
        "asset": {"version": "2.0"},
        "extensionsUsed": ["KHR_mesh_quantization"],
        "extensionsRequired": ["KHR_mesh_quantization"],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "scale": [2.0 if normalised else 2 / 32_767] * 3}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "indices": 2}]}],
        "accessors": [position, place, {"bufferView": 2, "componentType": 5123, "count": 3, "type": "SCALAR"}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": 24, "byteStride": 8, "target": 34962},
            {"buffer": 0, "byteOffset": 24, "byteLength": 12, "byteStride": 4, "target": 34962},
            {"buffer": 0, "byteOffset": 36, "byteLength": 6, "target": 34963},
        ],
        "buffers": [{"byteLength": len(blob)}],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(blob), b"BIN\0") + blob
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


print(f"trimesh {trimesh.__version__}")
print("guess: both files hold a triangle that is 2 m wide and high")
size = {}
for normalised in (True, False):
    scene = trimesh.load_scene(io.BytesIO(triangle(normalised)), file_type="glb")
    size[normalised] = float(scene.extents.max())
print(f"normalised: {size[True]:,.0f} m, whole numbers with the factor in the node: {size[False]:g} m")

if abs(size[False] - 2) > 1e-3:
    sys.exit("CHANGED: positions that are not normalised are read otherwise")
if abs(size[True] - 2 * 32_767) > 1:
    sys.exit("CHANGED: `normalized` is no longer passed over")
print("as stated: the normalised one is 32,767 times as large")
EOF
