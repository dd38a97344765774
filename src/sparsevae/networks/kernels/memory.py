"""Keep freed memory in the process, so that a training step finds its memory ready.

glibc gives large blocks back to the system as soon as they are freed. A training step that
frees and needs the same megabytes again then pays for thousands of page faults: more than a
quarter of the time of a step of the small convolutional models.
"""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of parameters in <malloc.h>
_LARGEST_BLOCK = 32 * 2**20  # the most that glibc accepts; larger blocks are still given back
_KEPT = 2**30


def keep_freed_memory() -> bool:
    """Let the C library keep up to one gibibyte of freed memory for the rest of the process.

    Results stay the same. Call it once, before training; it suits a process that trains, and
    is never called by importing the package.

    Returns:
        Whether the C library knows the setting: true with glibc, false elsewhere.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST_BLOCK) and mallopt(_TRIM_THRESHOLD, _KEPT))
