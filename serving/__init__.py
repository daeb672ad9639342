"""The front door: predictions over HTTP."""
