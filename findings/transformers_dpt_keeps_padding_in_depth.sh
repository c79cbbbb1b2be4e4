#!/usr/bin/env bash
# Expected: an image processor that pads a picture also removes that padding from the depth, when its
# `post_process_depth_estimation` is told the picture's size. ZoeDepth's does.
# Happens: DPT's resizes the padded depth to the picture's size. The border is depth of the padding, and all of the
# picture's own depth is squeezed towards the middle. The shape is right, and nothing is said.
# Why it matters: do_resize=False, do_pad=True, size_divisor=14 is how DPT models with a DINOv2 backbone are prepared.
# Depth from them is shifted against the colour, most at the edges (by 5 of 100 pixels here), and not at all for
# pictures whose sides happen to be multiples of 14. Crop the padding from `predicted_depth` yourself.
# The model is stood in for by one that sees depth perfectly: it returns its input, a ramp, unchanged.
set -euo pipefail
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
"${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -I -m pip install -qq transformers==5.23.0 torch==2.13.0 pillow==13.0.0 numpy==2.4.6
HF_HOME=$venv/hf HF_HUB_OFFLINE=1 nice -n 10 "$venv/bin/python" -I - <<'EOF'
import sys

import numpy as np
import torch
import transformers
from PIL import Image
from transformers import DPTImageProcessorPil  # DPTImageProcessor is the same upon torchvision
from transformers.modeling_outputs import DepthEstimatorOutput

print(f"transformers {transformers.__version__}, torch {torch.__version__}")
ramp = np.tile(np.arange(50, 150, dtype=np.uint8), (100, 1))
picture = Image.fromarray(np.dstack([ramp, ramp, ramp]))
processor = DPTImageProcessorPil(
    do_resize=False, do_rescale=False, do_normalize=False, do_pad=True, size_divisor=14
)
padded = processor(picture, return_tensors="pt")["pixel_values"].float()
outputs = DepthEstimatorOutput(predicted_depth=padded[:, 0])
answer = processor.post_process_depth_estimation(outputs, target_sizes=[(100, 100)])[0]["predicted_depth"]
cropped = padded[0, 0, 6:106, 6:106]

columns = slice(0, 100, 11)
print("padded to                 ", tuple(padded.shape[2:]))
print("guess, one row of depth   ", ramp[50, columns].tolist())
print("seen                      ", answer[50, columns].round().int().tolist())
print("padding cropped by hand   ", cropped[50, columns].round().int().tolist())

if padded.shape[2:] != (112, 112) or answer.shape != (100, 100) or not np.array_equal(cropped.numpy(), ramp):
    sys.exit("CHANGED: the picture is not padded by 6 pixels at each edge")
squeezed = (answer[50, 80] - answer[50, 20]).item() / 60
print(f"slope of depth: 1 guessed, {squeezed:.3f} seen, 1.12 if the whole padded picture was resized")
if answer[50, 0].abs() > 1 or abs(squeezed - 1.12) > 0.02:
    sys.exit("CHANGED: the padding is no longer part of the depth")
print("as stated: the padding is still there, and the picture's depth is squeezed")
EOF
