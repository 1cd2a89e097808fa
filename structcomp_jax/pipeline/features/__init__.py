"""Features: what a frozen network makes of data, computed once and kept."""
