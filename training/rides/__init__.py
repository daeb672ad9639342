"""Learns the rides' scaling and radius."""
