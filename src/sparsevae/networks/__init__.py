"""Trunks and layers; the kernels stand behind one door."""

from typing import Literal

Trunk = Literal["convolution", "mlp", "linear"]
"""The kind of layers between rows and codes; known here without loading any of them.

Vectors have no convolutions: "convolution" gives them an "mlp".
"""

Trained = Literal["none", "one", "element"]
"""Whether a decoder gives a number that no code decides: none, one in all, or one an element."""

Reading = Literal["plain", "gaps", "logs"]
"""How an encoder reads rows: as they are, with gaps (NaN), or counts by their logarithms."""
