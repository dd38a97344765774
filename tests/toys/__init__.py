"""A prior, a posterior and a model of one's own, one file each; the package knows none."""
