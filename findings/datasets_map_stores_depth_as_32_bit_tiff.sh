#!/usr/bin/env bash
# Expected: mapping a 16-bit PNG column of a Hugging Face dataset to NumPy arrays of type uint16 stores 16-bit PNG
# again. The column's feature is Image before and after, and the array that the function returns has a type of its own.
# Happens: the rows hold uncompressed 32-bit TIFF and open as mode I, int32. All that is said is a warning, whose types
# (int64 to int32) are not the user's. Returning a PIL picture in place of the array keeps the 16 bits (as TIFF, too),
# and returning the very picture that was read keeps the PNG.
# Why it matters: the numbers survive, so a quick look shows nothing. But code that scales depth by the range of its
# type (65535 for uint16) divides by 2147483647 from now on and sees almost zero everywhere, and the column has lost its
# compression.
set -euo pipefail
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
"${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -I -m pip install -qq datasets==5.2.0 pyarrow==26.0.1 pandas==2.3.3 pillow==13.0.0 numpy==2.4.6
HF_HOME=$venv/hf HF_HUB_OFFLINE=1 nice -n 10 "$venv/bin/python" -I - <<'EOF'
import io
import sys
import warnings

import datasets
import numpy as np
import PIL
from PIL import Image

datasets.disable_progress_bars()
print(f"datasets {datasets.__version__}, pillow {PIL.__version__}, numpy {np.__version__}")
print("guess: PNG, I;16, uint16 after each map")
depth = (np.arange(64 * 64, dtype=np.uint16) * 15).reshape(64, 64)
png = io.BytesIO()
Image.fromarray(depth).save(png, "PNG")
source = datasets.Dataset.from_dict(
    {"depth": [{"bytes": png.getvalue(), "path": None}]}, features=datasets.Features({"depth": datasets.Image()})
)


def describe(name, rows):
    stored = rows.cast_column("depth", datasets.Image(decode=False))[0]["depth"]["bytes"]
    picture = rows[0]["depth"]
    values = np.asarray(picture)
    print(f"{name:26} {picture.format:4} {picture.mode:5} {values.dtype!s:7} {len(stored):6} bytes")
    if not np.array_equal(values, depth):
        sys.exit("CHANGED: the numbers themselves differ")
    return picture.format, picture.mode, str(values.dtype)


with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    before = describe("before", source)
    same = describe("returning what was read", source.map(lambda row: {"depth": row["depth"]}))
    as_pil = describe("returning a new picture", source.map(lambda row: {"depth": row["depth"].copy()}))
    as_array = describe("returning an array", source.map(lambda row: {"depth": np.asarray(row["depth"])}))
print("warned:", *{str(each.message) for each in said if "Downcasting" in str(each.message)})

if before != ("PNG", "I;16", "uint16") or same != before or as_pil != ("TIFF", "I;16", "uint16"):
    sys.exit("CHANGED: pictures are no longer stored with 16 bits")
if as_array != ("TIFF", "I", "int32"):
    sys.exit("CHANGED: arrays are no longer stored as 32-bit TIFF")
print("as stated: an array of uint16 is stored as 32-bit TIFF")
EOF
