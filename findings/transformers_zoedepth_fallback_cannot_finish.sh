#!/usr/bin/env bash
# Expected: without torchvision, ZoeDepthImageProcessor falls back, with a warning, to one built on Pillow, which does
# the same work: it prepares pictures for the model and brings the model's depth to their size.
# Happens: preparing a picture works, and so does the model. `post_process_depth_estimation`, the last step, raises
# NameError as soon as it is given the picture's size, because it calls torchvision all the same.
# Why it matters: a slim container that labels depth passes every check of imports and configuration, loads the model,
# pays for the forward pass, and only then fails. DPT's fallback does finish, so a trial with one family of depth models
# says nothing about the other. Make torchvision a requirement wherever depth is labelled.
# The model is stood in for by one that returns its input, a ramp, unchanged.
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
from transformers import ZoeDepthImageProcessor
from transformers.models.zoedepth.modeling_zoedepth import ZoeDepthDepthEstimatorOutput

print(f"transformers {transformers.__version__}, torch {torch.__version__}, no torchvision")
ramp = np.tile(np.arange(50, 150, dtype=np.uint8), (100, 1))
processor = ZoeDepthImageProcessor(do_resize=False, do_rescale=False, do_normalize=False, do_pad=True)
padded = processor(Image.fromarray(np.dstack([ramp] * 3)), return_tensors="pt")["pixel_values"].float()
outputs = ZoeDepthDepthEstimatorOutput(predicted_depth=padded[:, 0])
print(f"prepared: {tuple(padded.shape)} by {type(processor).__name__}")


def finish(**options):
    try:
        depth = processor.post_process_depth_estimation(outputs, source_sizes=[(100, 100)], **options)
        seen = str(tuple(depth[0]["predicted_depth"].shape))
    except NameError as error:
        seen = f"NameError: {error}"
    print(f"finished with {options}: {seen}")
    return seen


print("guess: (100, 100)")
if not all(seen.startswith("NameError") for seen in [finish(), finish(do_remove_padding=False)]):
    sys.exit("CHANGED: the fallback finishes")
print("as stated: the fallback prepares pictures but cannot finish their depth")
EOF
