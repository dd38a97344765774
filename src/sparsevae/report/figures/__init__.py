"""Values of runs in, matplotlib figures out; only :func:`save` writes.

A figure needs neither the data set nor the weights: everything it holds was kept when the run
was measured, and :meth:`sparsevae.report.study.Run.read` reads it. Figures belong to no window
system and show themselves in a notebook.
"""

from sparsevae.report.figures.comparison import (
    quality_against_latents,
    quality_against_noise,
    training_curves,
)
from sparsevae.report.figures.frontier import frontier, points_of, titled_svg
from sparsevae.report.figures.run import (
    activated_dimensions,
    column_effects,
    latent_space,
    reconstructions,
)
from sparsevae.report.figures.sheet import Sheet, png, save
from sparsevae.report.figures.traversal import traversal
from sparsevae.report.study import Run

__all__ = [
    "Run",
    "Sheet",
    "activated_dimensions",
    "column_effects",
    "frontier",
    "latent_space",
    "png",
    "points_of",
    "quality_against_latents",
    "quality_against_noise",
    "reconstructions",
    "save",
    "titled_svg",
    "training_curves",
    "traversal",
]
