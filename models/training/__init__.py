"""How models are made: one domain a file."""
