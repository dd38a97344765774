"""Run folders in, matplotlib figures out, drawn again from the folders alone.

A figure needs neither the data set nor the weights: everything it shows was kept when the run
was measured. Figures belong to no window system and show themselves in a notebook.
"""

from sparsevae.report.figures.comparison import (
    quality_against_latents,
    quality_against_noise,
    training_curves,
)
from sparsevae.report.figures.sheet import Sheet, png, save
from sparsevae.report.figures.single import activated_dimensions, latent_space, reconstructions
from sparsevae.report.figures.traversal import column_effects, traversal

__all__ = [
    "Sheet",
    "activated_dimensions",
    "column_effects",
    "latent_space",
    "png",
    "quality_against_latents",
    "quality_against_noise",
    "reconstructions",
    "save",
    "training_curves",
    "traversal",
]
