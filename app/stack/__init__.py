"""The embedded stack: start, stop, status."""
