"""Train, measure, see and use sparse latent codes."""

__version__ = "0.1.0"
