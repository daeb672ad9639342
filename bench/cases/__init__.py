"""The cases, one a file: what is measured, and how."""
