"""A Chromium for the browser tests, the screenshots and the benchmark of the panel.

`scripts/setup --browser` brings one where this machine has none. Only `open_browser` needs more
than the standard library.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Where playwright puts its own; PLAYWRIGHT_BROWSERS_PATH for whoever installs it.
DOWNLOADS = Path(__file__).resolve().parent.parent / ".cache" / "browsers"
VARIABLE = "CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
DOWNLOADED = (
    "chromium*/chrome-*/chrome",
    "chromium*/chrome-*/headless_shell",
    "chromium*/chrome-*/chrome-headless-shell",
    "chromium*/chrome-mac*/Chromium.app/Contents/MacOS/Chromium",
)

# Everything a browser might fetch on its own is off: it only ever talks to 127.0.0.1.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> str | None:
    """Return the browser's path: the variable CHROMIUM, this machine's, or playwright's own.

    One that is there and does not start, for want of a library or as the stub of a package that is
    not installed, is passed over.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return named
    found = [shutil.which(name) for name in NAMES]
    found += [path for path in MAC if Path(path).exists()]
    found += [str(path) for pattern in DOWNLOADED for path in sorted(DOWNLOADS.glob(pattern))]
    return next((path for path in found if path and _starts(path)), None)


def _starts(path: str) -> bool:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@contextlib.contextmanager
def open_browser() -> Iterator[Any]:
    """Run a headless Chromium; give playwright's object for it.

    Raises
    ------
    RuntimeError
        If there is no Chromium.
    """
    from playwright.sync_api import sync_playwright

    path = find_chromium()
    if path is None:
        raise RuntimeError(
            "A Chromium is needed, and there is none here. Run scripts/setup --browser, or install "
            f"Chromium or Chrome, or set {VARIABLE} to its path."
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()
