"""Trunks and layers; the kernels stand behind one door."""
