"""What glibc's allocator does with freed memory; with any other, nothing happens here. No torch.

By default each thread allocates from heaps of its own, and what is freed at their end goes back to the
system. A training step frees all it has computed: at width 64 the next one had to fetch, and the
system to clear, up to 64 MB again.
"""

import contextlib
import ctypes

KEPT = 1 << 30  # bytes of freed memory kept at the end of the heap
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # mallopt's numbers, malloc.h
_LARGEST_MAPPED_ALONE = 32 << 20  # bytes; the allocator takes no more


def keep_freed_memory() -> None:
    """Keep freed memory for the next step, `KEPT` of it at the heap's end; to be called before other threads begin."""
    with contextlib.suppress(OSError, TypeError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_ARENA_MAX, 1)  # a thread's own heaps go back to the system whatever the threshold is
        mallopt(_TRIM_THRESHOLD, KEPT)
        mallopt(_MMAP_THRESHOLD, _LARGEST_MAPPED_ALONE)  # grows by itself only while nothing is set


def give_back_memory() -> None:
    """Hand freed memory back to the system, hundreds of megabytes after a run."""
    with contextlib.suppress(OSError, TypeError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
