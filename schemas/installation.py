"""The name Eddy is installed under, for messages about what is not installed."""

DISTRIBUTION = "eddy-stream"
"""The distribution on a package index; the import and the command are ``eddy``."""


def pip_install(*extras: str) -> str:
    """Return the command that installs Eddy with some of its extras.

    >>> pip_install("sandbox", "lake")
    "pip install 'eddy-stream[sandbox,lake]'"
    """
    return f"pip install '{DISTRIBUTION}[{','.join(extras)}]'"
