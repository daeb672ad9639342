"""The operator: who acts, for the audit log."""

import getpass
import os


def operator() -> str:
    """Return the user's name; a container may run as a number without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
