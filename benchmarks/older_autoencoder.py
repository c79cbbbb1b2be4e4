"""Training of the autoencoder against an older checkout: the same networks, pictures and losses.

    PYTHONPATH=. python -m benchmarks.older_autoencoder --older ../older-checkout

The toy's autoencoder of this checkout on pictures of 32 pixels, with a discriminator, and LPIPS with SqueezeNet, as in
the toy preset, and with VGG, as in the others. One torch thread; each side in processes of its own, in turns.
"""

import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.measure import ENVIRONMENT, arguments, in_turns, medians, ratios, save
from ldm3d.toy.diffusion_model import make_base_model

ROOT = Path(__file__).parents[1]
SAME = 1e-3  # relative difference allowed between the mean losses: rounding, which training amplifies


def train(checkout: Path, base: Path, network: str, steps: int) -> dict[str, float]:
    """Train in `checkout`. Returns what its `toy_training.train` returns.

    Raises:
        RuntimeError: it failed.
    """
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks/one_training.py"), str(base), network, str(steps)],
        cwd=checkout,
        env=os.environ | ENVIRONMENT | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{checkout} ended with {done.returncode}: {done.stderr[-1_000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    asked = arguments(__doc__, older="", steps=40, repeats=3)
    checkouts = {"ours": ROOT} | ({"older": Path(asked.older).resolve()} if asked.older else {})
    records = {}
    with tempfile.TemporaryDirectory() as name:
        base = Path(name, "base")
        make_base_model(base)
        for network in ("squeeze", "vgg"):
            sides = {side: partial(train, each, base, network, asked.steps) for side, each in checkouts.items()}
            turns = in_turns(sides, asked.repeats)
            record = {side: medians(found) for side, found in turns.items()}
            print(f"{network}: {record['ours']['per_cpu_s']:.2f} steps per CPU-second", flush=True)
            if asked.older:
                ours, older = (record[side]["loss"] for side in checkouts)
                if abs(ours / older - 1) > SAME:
                    raise RuntimeError(f"{network}: the mean loss is {ours:.6g}, of the older checkout {older:.6g}")
                record |= {"ratio": ratios(turns["ours"], turns["older"])}
                print(f"  against the older checkout: {record['ratio']['per_cpu_s']}", flush=True)
            records[network] = record
    save("older_autoencoder", {**vars(asked), "cases": records})


if __name__ == "__main__":
    main()
