"""The daily job over rides."""
