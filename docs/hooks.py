"""What mkdocs does to pages: links to files outside docs/ become their paths, for the site has no such files."""

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any

_LINK = re.compile(r"\[([^\]]*)\]\(([^)#\s]+)(#[^)]*)?\)")


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Replace each link that leaves the folder of the pages."""
    folder = PurePosixPath(page.file.src_uri).parent

    def replaced(link: re.Match[str]) -> str:
        path = normpath(str(folder / link[2]))
        if "://" in link[2] or not path.startswith("../"):
            return link[0]
        path = path.removeprefix("../")
        return f"`{path}`" if link[1].strip("`") == Path(path).name else f"{link[1]} (`{path}`)"

    return _LINK.sub(replaced, markdown)
