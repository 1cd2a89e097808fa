"""Networks as sequences of named stages, and readers of pretrained weights.

Models know nothing about masks. Import the module you need; this package
imports none of them.
"""
