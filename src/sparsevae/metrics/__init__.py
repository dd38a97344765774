"""Pure functions of arrays: likelihood bounds, sparsity of codes, quality of images."""
