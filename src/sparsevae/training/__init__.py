"""Configuration, recipes, defaults, one step, one loop."""
