#!/usr/bin/env bash
# Expected: imageio reads a PFM, a map of floats such as distances in metres, as (height, width) float32, whatever else
# is installed: Pillow, which it comes with, does.
# Happens: with PyAV beside it, imageio hands the file to FFmpeg, which takes it for a video of one frame:
# (1, height, width, 3) uint8, in which each distance of 1 m or more is 255. Nothing is said. Without PyAV, or with
# plugin="pillow", the distances come back.
# Why it matters: PyAV is what writes the videos of the same views, so an environment that reads distances rightly stops
# doing so when another extra is installed.
set -euo pipefail
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
"${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -I -m pip install -qq "imageio==2.38.1" "pillow==13.0.0" "numpy==2.4.6"
cat > "$venv/read.py" <<'PYTHON'
import pathlib
import sys

import imageio.v3 as imageio
import numpy as np

file = pathlib.Path(sys.argv[1]) / "distances.pfm"
distances = np.linspace(1, 9, 12, dtype="<f4").reshape(3, 4)
file.write_bytes(b"Pf\n4 3\n-1.0\n" + np.flipud(distances).tobytes())
found, asked = imageio.imread(file), imageio.imread(file, plugin="pillow")
exact = found.dtype == np.float32 and np.array_equal(found, distances)
print(found.shape, found.dtype, "exact" if exact else f"{found.min()} to {found.max()}")
if not np.array_equal(asked, distances):
    sys.exit("CHANGED: Pillow does not return the distances")
PYTHON
echo "imageio 2.38.1, Pillow 13.0.0, PyAV 18.1.0"
echo "guess: (3, 4) float32 exact, twice"
alone=$(nice -n 10 "$venv/bin/python" -I "$venv/read.py" "$venv")
echo "without PyAV: $alone"
"$venv/bin/python" -I -m pip install -qq "av==18.1.0"
beside=$(nice -n 10 "$venv/bin/python" -I "$venv/read.py" "$venv")
echo "with PyAV:    $beside"
[ "$alone" = "(3, 4) float32 exact" ] || { echo "CHANGED: without PyAV it is read otherwise"; exit 1; }
[ "$beside" = "(1, 3, 4, 3) uint8 255 to 255" ] || { echo "CHANGED: with PyAV it is read otherwise"; exit 1; }
echo "as stated: with PyAV all distances are 255"
