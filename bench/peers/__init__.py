"""The peers, one a file: programs that do the engine's work with other means."""
