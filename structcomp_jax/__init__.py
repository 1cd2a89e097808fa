"""Structural compositionality: learned weight masks on frozen networks."""

__version__ = "0.1.0"
