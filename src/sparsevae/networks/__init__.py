"""Trunks and layers; the kernels stand behind one door."""

from typing import Literal

Trunk = Literal["convolution", "mlp"]
"""The kind of layers of an image's trunk; known here without loading any of them."""
