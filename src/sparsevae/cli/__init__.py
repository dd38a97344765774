"""The command line; heavy libraries are imported by the commands that need them."""

from sparsevae.cli import explore, export, own_data, reproduce, studies
from sparsevae.cli.application import app, main

__all__ = ["app", "explore", "export", "main", "own_data", "reproduce", "studies"]
