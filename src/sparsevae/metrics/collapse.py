"""Thresholds by which a model counts as collapsed; training and diagnostics share them."""

COLLAPSE_SHARE = 0.95  # of the mean image's score: a decoder above it prints the mean image
FLAT_DECODER = 0.05  # of the data's pixel variance: below it all decoded images are alike
DENSE_SHARE = 0.5  # of all open gates are the same ones for every image: selection is lost
DENSE_ALPHA = 0.5  # from here on α does not ask for sparse codes
EMPTY_CODE = 0.5  # nats a row; a code that is worth less does not tell two rows apart
