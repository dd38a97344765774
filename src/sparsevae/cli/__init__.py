"""The command line; heavy libraries are imported by the commands that need them."""

from sparsevae.cli import studies
from sparsevae.cli.application import app, main

__all__ = ["app", "main", "studies"]
