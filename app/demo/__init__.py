"""The demo: everything on one machine, started, shown, ended."""
