"""The claims under test and published experiments, run again; on public names only."""
