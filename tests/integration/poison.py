"""A decoder with bugs, for the processes of `IsolatedDecoder`, which import it by name."""

import ctypes
import os

from ldm3d.config import DownloadConfig, SelectConfig
from ldm3d.decode import SquareImage, make_square

CRASHES, HANGS = b"crashes the decoder", b"hangs the decoder"


def work(content: bytes, config: DownloadConfig, select: SelectConfig) -> SquareImage:
    """`make_square`, unless the content is one that ends or stops the process."""
    if content == CRASHES:
        os.abort()
    if content == HANGS:
        ctypes.PyDLL(None).pause()  # native, and holds the interpreter's lock
    return make_square(content, config, select)
