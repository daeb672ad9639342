"""``python -m eddy``: the same as the command ``eddy``."""

from eddy.app.cli import main

if __name__ == "__main__":
    main()
