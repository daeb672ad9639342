"""The command line, the settings, and the one place where real things are chosen and wired."""
