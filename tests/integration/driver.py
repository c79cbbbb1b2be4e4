"""A training as a command of its own, to be disturbed, and how tests wait for the moment."""

import dataclasses
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ldm3d.config import AutoencoderConfig
from tests import ROOT

T = TypeVar("T")


def start(config: AutoencoderConfig, output: Path) -> "subprocess.Popen[bytes]":
    """The training of a configuration, into another output."""
    code = (
        # as a shell gives it to what runs in the foreground; in the background it may be ignored
        "import pickle, signal, sys, pathlib; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from pipelines.train_autoencoder import train_autoencoder; "
        "print(train_autoencoder(pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())))"
    )
    file = output.with_suffix(".config")
    file.write_bytes(pickle.dumps(dataclasses.replace(config, output=str(output))))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", code, file], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def wait_until(look: Callable[[], T], driver: "subprocess.Popen[bytes]") -> T:
    """What `look` sees, as soon as that is something; an error where the driver ends before."""
    while not (seen := look()):
        assert driver.poll() is None, driver.communicate()[0].decode()[-2000:]
        time.sleep(0.05)
    return seen


def wait_for(condition: Callable[[], bool], seconds: float = 300) -> None:
    """Return as soon as the condition holds; an AssertionError where that takes too long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.02)
