"""Simulated payments with known incidents."""
