#!/usr/bin/env bash
# Expected: header() and channels() of an OpenEXR file return dictionaries that are the caller's, so what was read in a
# `with` block can be used after it, as arrays of numpy's or h5py's readers can once they were copied out.
# Happens: the end of the block empties both dictionaries: a header of 10 attributes has none afterwards, and a name that
# was there is a KeyError. Channels that were taken out of it keep their pixels. Without `with`, all of it stays.
# Why it matters: distances in metres are in channel Z, and what they mean is in the header, so a reader that returns
# `header` from its `with` block returns nothing, without an error.
set -euo pipefail
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
"${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -I -m pip install -qq "OpenEXR==3.5.3" "numpy==2.4.6"
cd "$venv" && nice -n 10 "$venv/bin/python" -I - <<'EOF'
import importlib.metadata
import sys

import numpy as np
import OpenEXR

print(f"OpenEXR {importlib.metadata.version('OpenEXR')}")
print("guess: what header() and channels() returned is the same after the block")
header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, "unit": "metres along the ray"}
with OpenEXR.File(header, {"Z": np.full((4, 8), 2.5, np.float32)}) as file:
    file.write("distances.exr")
with OpenEXR.File("distances.exr", separate_channels=True) as file:
    read, channels = file.header(), file.channels()
    inside, unit, pixels = (len(read), len(channels)), read["unit"], channels["Z"].pixels
after = (len(read), len(channels))
file = OpenEXR.File("distances.exr", separate_channels=True)
kept = file.header()
del file
print(f"entries of header and channels: {inside} in the block, {after} after it; without `with`: {len(kept)}")
print(f"taken out in the block: {unit!r}, pixels of {pixels.mean()}")

if unit != header["unit"] or pixels.mean() != 2.5 or kept.get("unit") != unit:
    sys.exit("CHANGED: what was written is not read")
if after != (0, 0):
    sys.exit("CHANGED: dictionaries keep their entries after the block")
print("as stated: both are empty after the block")
EOF
