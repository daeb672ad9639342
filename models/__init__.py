"""What learns and judges: features, detectors, domains, registry, training.

Knows events, never where they come from.
"""
