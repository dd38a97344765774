"""``python -m sparsevae``."""

from sparsevae.cli import main

main()
