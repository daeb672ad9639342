"""Simulated records, sent to topics at a rate."""
