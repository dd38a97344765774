"""One message with words and arrays, as the page reads it from the server and from its own file.

4 bytes      length of the header, little-endian
header       JSON: ``facts`` (anything) and ``arrays`` (name, dtype, shape, offset)
padding      to a multiple of 8 bytes
the arrays   one after another, little-endian, each at a multiple of 8 bytes
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from sparsevae.storage.arrays import Array

ALIGNMENT = 8
TYPES = ("float32", "float16", "uint8", "int32")


def packed(facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> bytes:
    """Facts and arrays as one message.

    Args:
        facts: what JSON can hold.
        arrays: by name, each of one of :data:`TYPES`.
    """
    listed, parts, offset = [], [], 0
    for name, array in arrays.items():
        dtype = array.dtype.name
        assert dtype in TYPES, f"{name} is {dtype}"
        content = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        listed.append({"name": name, "dtype": dtype, "shape": array.shape, "offset": offset})
        parts.append(_padded(content))
        offset += len(parts[-1])
    header = json.dumps({"facts": facts, "arrays": listed}, allow_nan=False).encode()
    length = len(header).to_bytes(4, "little")
    return b"".join([_padded(length + header), *parts])


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % ALIGNMENT)
