"""Commands over the lake, one a file."""
