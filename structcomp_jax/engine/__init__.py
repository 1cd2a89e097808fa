"""Many rows, many steps, many devices; knows no masks, papers or files."""
