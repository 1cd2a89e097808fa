"""Encoder-decoders; `base` says what they read and return."""
