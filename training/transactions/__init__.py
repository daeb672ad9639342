"""Learns from labelled transactions: table, features, estimators, gate."""
