"""Architectures of networks whose structure is known."""
