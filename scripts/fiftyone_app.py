"""A FiftyOne App of our own in a browser: for the browser tests and the screenshots."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_START_SECONDS = 90

# Everything a browser might fetch on its own is off: it only ever talks to 127.0.0.1.
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextlib.contextmanager
def serve_app(folder: Path, **environment: str) -> Iterator[str]:
    """Run the App's server with this checkout as its only plugin; give its address.

    Parameters
    ----------
    folder : Path
        Empty; takes the plugins folder and the server's log.
    **environment : str
        Further variables for the server, such as LABEL_STUDIO_URL.
    """
    plugins = folder / "plugins"
    plugins.mkdir(parents=True)
    (plugins / "label-cleaning").symlink_to(ROOT, target_is_directory=True)
    port = free_port()
    env = {k: v for k, v in os.environ.items() if not k.startswith("LABEL_STUDIO_")}
    env.update(FIFTYONE_PLUGINS_DIR=str(plugins), FIFTYONE_DO_NOT_TRACK="true", **environment)
    with (folder / "app.log").open("wb") as log:
        command = [sys.executable, "-m", "fiftyone.server.main"]
        command += ["--address", "127.0.0.1", "--port", str(port)]
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_for(url, process, folder / "app.log")
            yield url
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        # Pages are served before the database is connected, and hang then.
        with contextlib.suppress(OSError):
            connected = "change stream" in log.read_text()
            if connected and urllib.request.urlopen(url, timeout=5).status == 200:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"The App's server did not start:\n{log.read_text()[-1500:]}")
        time.sleep(0.2)
