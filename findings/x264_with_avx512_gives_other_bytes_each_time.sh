#!/usr/bin/env bash
# Expected: libx264 with one thread gives the same bytes for the same frames and settings, each time.
# Happens: on a CPU with AVX-512, x264 core 165 (in the wheel of PyAV 18.1.0) gives other bytes from one encoding to the
# next of a process, at some widths: 176 is one, 128 and 256 are not. They are the same with asm=AVX2, and with
# mbtree=0: it is the AVX-512 form of the macroblock tree, which takes 128 pixels of a row at a time, and what it makes
# depends on what lay in memory before.
# Why it matters: films of the same views are compared by their bytes, to see whether a run was repeated exactly; and
# the pixels that are decoded differ, too. asm=AVX2 costs no time that could be measured, mbtree=0 makes files larger
# by a third and more.
# On a CPU without AVX-512 there is nothing to see, and the script ends with exit status 77.
set -euo pipefail
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
"${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -I -m pip install -qq "av==18.1.0" "numpy==2.4.6" "py-cpuinfo==9.0.0"
nice -n 10 "$venv/bin/python" -I - <<'EOF'
import io
import sys
from collections import Counter

import av
import cpuinfo
import numpy as np

TIMES = 100

if "avx512f" not in cpuinfo.get_cpu_info()["flags"]:
    print("this CPU has no AVX-512: nothing to see")
    sys.exit(77)


def encoded(frames, params):
    """The packets of one thread of libx264, one after the other."""
    with av.open(io.BytesIO(), "w", format="h264") as file:
        stream = file.add_stream("libx264", rate=24, options={"threads": "1", "x264-params": params})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        packets = []
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p", threads=1)
            frame.pts = number
            packets += stream.encode(frame)
        return b"".join(bytes(packet) for packet in packets + stream.encode(None))


random = np.random.default_rng(0)
noise = random.integers(0, 256, (512, 512, 3), dtype=np.uint8)
print(f"PyAV {av.__version__}, libavcodec {'.'.join(map(str, av.library_versions['libavcodec']))}")
print(f"guess: {TIMES} encodings of the same 72 frames are the same bytes")
distinct = {}
for width, params in ((176, ""), (256, ""), (176, "asm=AVX2"), (176, "mbtree=0")):
    shifted = [np.roll(noise, (n // 3, n // 2), (0, 1))[:width, :width] for n in range(72)]
    frames = [np.ascontiguousarray(picture) for picture in shifted]
    seen = Counter(encoded(frames, params) for _ in range(TIMES))
    distinct[width, params] = len(seen)
    sizes = sorted({len(content) for content in seen})
    print(f"{width} pixels, {params or 'as it is'}: {len(seen)} different streams, {sizes[0]} to {sizes[-1]} bytes")

if distinct.pop((176, "")) == 1:
    sys.exit("CHANGED: the streams are the same")
if max(distinct.values()) > 1:
    sys.exit("CHANGED: streams differ at 256 pixels, with AVX2 or without the macroblock tree, too")
print("as stated: the same frames become other bytes")
EOF
