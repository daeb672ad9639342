"""The detectors on public data, with a random scorer beside each."""
