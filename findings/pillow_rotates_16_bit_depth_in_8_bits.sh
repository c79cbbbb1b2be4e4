#!/usr/bin/env bash
# Expected: Pillow rotates a 16-bit depth picture (mode I;16) as well as it resizes one: a flat depth of 30000 is still
# 30000 in the middle after a turn of 5 degrees with bilinear or bicubic resampling.
# Happens: no value of the rotated picture is above 255, and nothing is raised or warned about. The same picture comes
# through `resize` with bilinear resampling, and through `rotate` with nearest, unharmed.
# Why it matters: rotation is a usual augmentation of RGBD pairs. The colour picture turns as it should while its depth
# becomes noise close to zero, which, as a PNG, looks like a legitimate very near (or very far) scene. Rotate with
# nearest, which is what depth edges want anyway, or convert to mode F first.
set -euo pipefail
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
"${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -I -m pip install -qq pillow==13.0.0 numpy==2.4.6
nice -n 10 "$venv/bin/python" -I - <<'EOF'
import sys

import numpy as np
import PIL
from PIL import Image

print(f"pillow {PIL.__version__}, numpy {np.__version__}")
print("guess: every one of these is 30000 in the middle")
depth = Image.fromarray(np.full((64, 64), 30000, np.uint16))
nearest, bilinear, bicubic = Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC
turned = {
    "resize, bilinear": depth.resize((96, 96), bilinear),
    "rotate, nearest": depth.rotate(5, resample=nearest),
    "rotate, bilinear, as F": depth.convert("F").rotate(5, resample=bilinear),
    "rotate, bilinear": depth.rotate(5, resample=bilinear),
    "rotate, bicubic": depth.rotate(5, resample=bicubic),
}
seen = {}
for name, picture in turned.items():
    values = np.asarray(picture)
    seen[name] = int(values[32, 32]), int(values.max())
    print(f"{name:24} mode {picture.mode:5} middle {seen[name][0]:5}  maximum {seen[name][1]:5}")

wrong = ["rotate, bilinear", "rotate, bicubic"]
right = [name for name in turned if name not in wrong]
if depth.mode != "I;16" or any(seen[name] != (30000, 30000) for name in right):
    sys.exit("CHANGED: a way that was right no longer is")
if any(seen[name][1] > 255 for name in wrong):
    sys.exit("CHANGED: rotation no longer stays below 256")
print("as stated: rotation with bilinear or bicubic resampling leaves nothing above 255")
EOF
