#!/usr/bin/env bash
# Expected: a model of transformers that is pickled, and unpickled in another process, as Ray, joblib and
# multiprocessing do, works there as it did before.
# Happens: it gives no hidden states. Which modules give them is noted for each class when a model of that class is
# initialised, and unpickling does not initialise. No error says so.
# Why it matters: DPT makes depth of hidden states, and then raises "TypeError: 'NoneType' object is not subscriptable"
# far from the cause. Open models in the process in which they run.
set -euo pipefail
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
"${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -I -m pip install -qq transformers==5.23.0 torch==2.13.0 numpy==2.4.6
HF_HOME=$venv/hf HF_HUB_OFFLINE=1 nice -n 10 "$venv/bin/python" -I - <<'EOF'
import pickle
import subprocess
import sys
import tempfile

import torch
import transformers
from transformers import DPTConfig, DPTForDepthEstimation

LOAD = """
import pickle, sys, torch
from transformers import DPTForDepthEstimation
model, pixels = pickle.load(open(sys.argv[1], "rb"))
try:
    print("depth of", model(pixels).predicted_depth.shape)
except TypeError as error:
    print(error)
"""
print(f"transformers {transformers.__version__}, torch {torch.__version__}")
config = DPTConfig(
    image_size=32, patch_size=8, hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=16,
    neck_hidden_sizes=[8] * 4, backbone_out_indices=[0, 1, 2, 3], fusion_hidden_size=8, is_hybrid=False,
)
model, pixels = DPTForDepthEstimation(config).eval(), torch.zeros(1, 3, 32, 32)
with tempfile.NamedTemporaryFile() as file:
    pickle.dump((model, pixels), file)
    file.flush()
    here = tuple(model(pixels).predicted_depth.shape)
    there = subprocess.run([sys.executable, "-I", "-c", LOAD, file.name], capture_output=True, text=True)
print("guess: depth of", here, "in both processes")
print("seen:  depth of", here, "in this one, and in the other:", there.stdout.strip() or there.stderr[-300:])
if "not subscriptable" not in there.stdout:
    sys.exit("CHANGED: an unpickled model gives hidden states")
print("as stated: the unpickled model gives no hidden states")
EOF
