"""Grids of runs: engines, results, measuring again."""
