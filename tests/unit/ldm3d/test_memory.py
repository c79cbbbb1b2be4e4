"""A process that runs networks keeps the memory that it frees, if it is told to."""

import os
import platform
import subprocess
import sys

import pytest

# In a thread, as workers run networks: glibc gives threads heaps of their own.
PROGRAM = """
import resource, sys, threading
import torch
from torch import nn
from ldm3d.memory import keep_freed_memory

def pages_cleared_in_five_passes():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        network(pixels).sum().backward()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def run():
    if sys.argv[1] == "keep":
        keep_freed_memory()
    pages_cleared_in_five_passes()  # takes the memory for the first time
    pages_cleared_in_five_passes()
    print(pages_cleared_in_five_passes())

torch.set_num_threads(1)
layers = [nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.SiLU()) for _ in range(6)]
network, pixels = nn.Sequential(*layers), torch.ones(8, 16, 64, 64)
thread = threading.Thread(target=run)
thread.start()
thread.join()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no mallopt")
def test_a_network_gets_the_memory_that_it_freed():
    def pages(how: str) -> int:
        environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}  # another malloc
        command = [sys.executable, "-c", PROGRAM, how]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
        return int(ran.stdout)

    assert pages("keep") * 10 < pages("leave")
