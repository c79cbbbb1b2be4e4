"""One training of a toy autoencoder by the checkout on PYTHONPATH. `older_autoencoder` runs it, in old ones too.

python one_training.py BASE NETWORK STEPS      # BASE: networks to train; NETWORK: LPIPS's; prints one JSON line
"""

import contextlib
import json
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.toy_training import Toy, train


def main(base: str, network: str, steps: int) -> None:
    with contextlib.suppress(ImportError):  # older checkouts have none
        from ldm3d.memory import keep_freed_memory

        keep_freed_memory()
    with tempfile.TemporaryDirectory() as name:
        config = Toy.make(Path(name), steps).autoencoder
        shutil.rmtree(config.model.base)  # each checkout's preset has networks of its own
        shutil.copytree(base, config.model.base)
        perceptual = replace(config.loss.perceptual, network=network)
        print(json.dumps(train(replace(config, loss=replace(config.loss, perceptual=perceptual)), steps)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
