#!/usr/bin/env bash
# Expected: readers return the floats of a PFM as the file has them. The number in its header tells by its sign in which
# order their bytes are; its size is the unit of the values, which is for the user to apply.
# Happens: OpenCV divides every value by it, and Pillow does not. Of a disparity map whose header says -0.25 the same
# file gives 4 to 48 in one and 1 to 12 in the other. OpenCV writes -1, so what it wrote itself comes back.
# Why it matters: maps of disparity for stereo carry a scale there that was made for showing them. Read by OpenCV, they
# are too large by a constant, which no picture of them shows, and distances are too small.
set -euo pipefail
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
"${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -I -m pip install -qq "opencv-python-headless==4.14.0.94" "pillow==13.0.0" "numpy==2.4.6"
nice -n 10 "$venv/bin/python" -I - <<'EOF'
import io
import sys

import cv2
import numpy as np
import PIL
from PIL import Image


def pfm(scale, values):
    """A PFM of 4 x 3 floats: rows from the bottom up, little-endian where the scale is below 0."""
    return f"Pf\n4 3\n{scale}\n".encode() + np.flipud(values).astype("<f4").tobytes()


print(f"OpenCV {cv2.__version__}, Pillow {PIL.__version__}")
print("guess: 1 to 12 from both, whatever the scale")
values = np.arange(1, 13, dtype=np.float32).reshape(3, 4)
found = {}
for scale in (-1.0, -0.25):
    content = pfm(scale, values)
    found["OpenCV", scale] = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    found["Pillow", scale] = np.asarray(Image.open(io.BytesIO(content)))
for (reader, scale), each in found.items():
    print(f"{reader}, scale {scale:g}: {each.min():g} to {each.max():g}")

plain = [found["OpenCV", -1.0], found["Pillow", -1.0], found["Pillow", -0.25]]
if not all(np.array_equal(each, values) for each in plain):
    sys.exit("CHANGED: Pillow, or OpenCV at a scale of 1, returns other values")
if not np.allclose(found["OpenCV", -0.25], values * 4):
    sys.exit("CHANGED: OpenCV no longer divides by the scale")
print("as stated: OpenCV's are four times Pillow's")
EOF
