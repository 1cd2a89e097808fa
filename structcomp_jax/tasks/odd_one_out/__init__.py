"""Four items, one of which differs: syntax and shapes, and their metrics."""
