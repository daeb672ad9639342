"""Detectors: one a file."""
