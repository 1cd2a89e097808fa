"""A study at work: one module per step, from a config to files."""
