"""Ways to make networks of known structure."""
