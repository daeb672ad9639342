"""Simulated card transactions with known frauds and their labels."""
