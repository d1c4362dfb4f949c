"""The App in a browser: one server for the tests of a module, a page for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from chromium import open_browser
from fiftyone_app import ReviewGrid, serve_app


@pytest.fixture(scope="module")
def app_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve_app(tmp_path_factory.mktemp("app")) as url:
        yield url


@pytest.fixture
def grid(app_url: str) -> Iterator[ReviewGrid]:
    """A page on which rounds are reviewed; which dataset it shows is the test's choice."""
    with open_browser() as browser:
        expect.set_options(timeout=60_000)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(60_000)
        yield ReviewGrid(page, app_url)
