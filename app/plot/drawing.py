"""A merchant's picture drawn: as an image, or as a page to hover over.

The drawing libraries come with the extra ``eddy-stream[plot]``; only this module imports them, and
only when a picture is drawn.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from eddy.app.plot.picture import Picture
from eddy.schemas.errors import ConfigError, MissingResource
from eddy.schemas.installation import pip_install

Draw = Callable[[Picture, Path], None]


def drawer(path: Path) -> Draw:
    """Return what draws into a file of this kind.

    Raises
    ------
    ConfigError
        It is neither .png nor .html, or what draws it is not installed.
    """
    kinds: dict[str, tuple[Draw, str]] = {
        ".png": (to_png, "matplotlib"),
        ".html": (to_html, "plotly"),
    }
    if path.suffix.lower() not in kinds:
        raise ConfigError(f"--out {path}: the name must end in {' or '.join(kinds)}")
    draw, library = kinds[path.suffix.lower()]
    _installed(library)
    return draw


def to_png(picture: Picture, path: Path) -> None:
    """Write an image of 1,600 x 760 pixels.

    Raises
    ------
    ConfigError
        Where matplotlib is not installed.
    MissingResource
        Where the file cannot be written.
    """
    _installed("matplotlib")
    from eddy.app.plot.image import figure  # noqa: PLC0415 - needs the extra

    try:
        figure(picture).savefig(path, format="png")
    except OSError as error:
        raise MissingResource(f"--out {path}: {error.strerror}") from error


def to_html(picture: Picture, path: Path) -> None:
    """Write a page that needs nothing from elsewhere; about 5 MB, nearly all of it the library.

    Raises
    ------
    ConfigError
        Where plotly is not installed.
    MissingResource
        Where the file cannot be written.
    """
    _installed("plotly")
    from eddy.app.plot.page import page  # noqa: PLC0415 - needs the extra

    text = page(picture)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise MissingResource(f"--out {path}: {error.strerror}") from error


def _installed(library: str) -> Any:
    try:
        return import_module(library)
    except ImportError as error:
        raise ConfigError(
            f"{library} is not installed, and drawing needs it: {pip_install('plot')}"
        ) from error
