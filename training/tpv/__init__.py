"""Learns segments, bands and the network of the payments' forecast."""
