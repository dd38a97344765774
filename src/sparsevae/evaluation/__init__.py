"""A trained model and data in, numbers out: metrics, baselines, diagnostics."""
