"""Config to objects to files: one module per step, each with `run`."""
