"""Streams to try things on, with their truth: one domain a file; the same seed, the same bytes."""
