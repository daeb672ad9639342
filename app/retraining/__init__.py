"""New data in an inbox trains a new version."""
