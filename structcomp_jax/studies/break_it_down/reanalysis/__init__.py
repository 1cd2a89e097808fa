"""The published results read again: every figure, every test, what changes."""
