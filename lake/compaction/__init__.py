"""Compaction: a day's many small files become few sorted ones, while the sink goes on."""
