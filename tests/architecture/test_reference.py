"""Pages that are made from the code are those the code makes now."""

import pytest

from tests.support.reference import FOLDER, PAGES


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_page_is_what_the_code_says(name):
    committed = (FOLDER / name).read_text()
    assert committed == PAGES[name](), "make it again: python -m tests.support.reference"
