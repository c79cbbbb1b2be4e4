"""The memory of a process that runs networks."""

import ctypes
import sys

# Parameters of glibc's mallopt(3).
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
MIB = 2**20


def keep_freed_memory() -> None:
    """Let the process keep blocks below 32 MiB that it frees, where the C library is glibc; else do nothing.

    By itself glibc returns them to the system as soon as it can. A network frees and takes them in every pass, and the
    system clears each page again: a tenth of the time of a pass of a small network on the CPU. The process stays as
    large as it was at its largest.
    """
    if not sys.platform.startswith("linux"):
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        library.mallopt(M_MMAP_THRESHOLD, 32 * MIB)  # the most that glibc accepts
        library.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        library.mallopt(M_TOP_PAD, 64 * MIB)
