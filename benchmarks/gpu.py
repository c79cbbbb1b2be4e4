"""One GPU, without Ray: labels, training steps, pictures and features, each against what its users would write.

    python -m benchmarks.gpu [--real 1] [--batch 32] [--seconds 15] [--repeats 2]

Networks are those of DPT-Large, Stable Diffusion v1.4 with six channels, and Inception, with random weights, which
cost as much as trained ones. Nothing is downloaded, and at real size it takes less than ten minutes. `--real 0` tries
all of it with tiny networks, on a CPU too.
"""

import gc
from dataclasses import replace
from typing import Any

import torch

from benchmarks.measure import arguments, save
from benchmarks.on_gpu import features, generation, labelling, training
from benchmarks.on_gpu.sizes import REAL, TINY, Sizes

PARTS = {
    "labelling, images": labelling.measure,
    "training, samples": training.measure,
    "generation, pictures": generation.measure,
    "Inception, pictures": features.measure,
}


def measure(sizes: Sizes, seconds: float, turns: int) -> dict[str, Any]:
    """Measure all parts, one after the other."""
    found = {}
    for part, measure_part in PARTS.items():
        found[part] = measure_part(sizes, seconds, turns)
        print(part)
        for side, rate in found[part]["per_s"].items():
            ratio = found[part]["ratio"].get(side)
            used = found[part].get("mfu", {}).get(side)
            shown = (f"{rate:9.2f}/s", f"ratio {ratio}" if ratio else "", f"MFU {used:.1%}" if used else "")
            print(f"  {side:16} {'  '.join(text for text in shown if text)}", flush=True)
        gc.collect()
        torch.cuda.empty_cache()
    return found


def main() -> None:
    asked = arguments(__doc__, real=1, batch=REAL.batch, seconds=15, repeats=2)
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    sizes = replace(REAL if asked.real else TINY, batch=asked.batch)
    found = measure(sizes, asked.seconds, asked.repeats)
    save("gpu", {"card": card, "is_real_size": bool(asked.real), "batch": asked.batch, "parts": found})


if __name__ == "__main__":
    main()
