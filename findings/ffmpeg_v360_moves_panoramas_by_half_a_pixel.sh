#!/usr/bin/env bash
# Expected: FFmpeg's filter v360 from an equirectangular panorama to an equirectangular panorama of the same size, turned
# by nothing or by a whole number of pixels, returns the pixels that it was given, as it does with interp=nearest.
# Happens: FFmpeg 8.1 reads its input as if the first column looked to -180 degrees and the last one to 180, while it
# writes columns that look from the middle of their pixels. With interp=linear or cubic, pixels are read up to half a
# pixel off: nothing in the middle, half a pixel at the seam, where nothing is read between the last and the first
# column, and half a pixel at the poles.
# Why it matters: v360 is what panoramas are turned and looked at with, and what the geometry of others is judged by.
# Depth loses its place at the seam, and every turn through it makes pictures softer.
set -euo pipefail
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
"${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -I -m pip install -qq "av==18.1.0" "numpy==2.4.6"
nice -n 10 "$venv/bin/python" -I - <<'EOF'
import sys

import av
import numpy as np
from av.filter import Graph

HEIGHT = 64


def turned(picture, yaw, interpolation):
    """The picture after v360, with yaw to the right in degrees."""
    graph = Graph()
    source = graph.add_buffer(width=picture.shape[1], height=picture.shape[0], format="rgb24", time_base="1/25")
    view = graph.add("v360", f"input=e:output=e:yaw={yaw}:interp={interpolation}")
    sink = graph.add("buffersink")
    source.link_to(view)
    view.link_to(sink)
    graph.configure()
    source.push(av.VideoFrame.from_ndarray(picture, format="rgb24"))
    return sink.pull().to_ndarray(format="rgb24").astype(int)


random = np.random.default_rng(0)
noise = random.integers(0, 256, (HEIGHT, 2 * HEIGHT, 3), dtype=np.uint8)
columns = np.zeros_like(noise)
columns[:] = 2 * np.arange(2 * HEIGHT)[None, :, None]  # each pixel says in which column it is, times two

print(f"PyAV {av.__version__}, libavfilter {'.'.join(map(str, av.library_versions['libavfilter']))}")
print("guess: without a turn, or turned by 90 degrees, the pixels are the same with any interpolation")
equal = {}
for interpolation in ("nearest", "linear", "cubic"):
    for yaw in (0, 90):
        wanted = np.roll(noise, -yaw * 2 * HEIGHT // 360, axis=1)
        equal[interpolation, yaw] = float((turned(noise, yaw, interpolation) == wanted).mean())
        print(f"{interpolation}, {yaw} degrees: {equal[interpolation, yaw]:.0%} of the values are the same")
row = turned(columns, 180, "linear")[HEIGHT // 2, :, 0] / 2
print("columns read by a half turn, from the seam on:", [float(column) for column in row[:3]], "instead of 64, 65, 66;")
seam = row[HEIGHT - 2 : HEIGHT + 2]
print("  around the old seam:", [float(column) for column in seam], "instead of 126, 127, 0, 1")

if min(equal["nearest", 0], equal["nearest", 90]) < 1:
    sys.exit("CHANGED: the nearest pixels are no longer those that were given")
if max(share for (interpolation, _), share in equal.items() if interpolation != "nearest") > 0.5:
    sys.exit("CHANGED: pixels are read where they are")
print("as stated: only nearest keeps the pixels")
EOF
