#!/usr/bin/env python3
"""Run a Label Studio server of our own: for the demo and the tests. Standard library only.

    python scripts/label_studio_server.py seed    make the empty, migrated data folder once

A server starts from a copy of that folder in seconds, on 127.0.0.1 and a free port.
"""

from __future__ import annotations

import contextlib
import http.cookiejar
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from own_database import free_port

ROOT = Path(__file__).resolve().parent.parent
# `scripts/check-lowest` names another one, with an older server in it.
HOME = Path(os.environ.get("LABEL_STUDIO_HOME") or ROOT / ".cache" / "label-studio")
SEED = HOME / "seed"
ACCOUNT = "account.json"

ADMIN_EMAIL = "admin@example.com"
START_SECONDS = 300
STOP_SECONDS = 20


class LabelStudioProcess:
    """A Label Studio server on 127.0.0.1; a context manager that stops it.

    Parameters
    ----------
    data_dir : Path
        The server's database and uploads; emptied, then filled from the seed, unless `keep_data`.
    log : Path, default data_dir.log
        The server's output.
    document_root : Path, optional
        Folder whose images the server may serve as local files.
    keep_data : bool, default False
        Whether to go on with what is in `data_dir`.
    port : int, optional
        Default: a free one.

    Attributes
    ----------
    url : str
        Address, once started.
    admin_email, admin_password, admin_token : str
        The first user's account; the token is a legacy one.
    """

    def __init__(
        self,
        data_dir: Path,
        log: Path | None = None,
        document_root: Path | None = None,
        keep_data: bool = False,
        port: int | None = None,
    ) -> None:
        self.data_dir = Path(data_dir)
        self.log = Path(log) if log else self.data_dir.with_suffix(".log")
        self.document_root = document_root
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None
        if not keep_data:
            if not SEED.exists():
                raise RuntimeError(
                    "Label Studio must be set up first: scripts/setup --label-studio"
                )
            shutil.rmtree(self.data_dir, ignore_errors=True)
            shutil.copytree(SEED, self.data_dir)
        account = json.loads((self.data_dir / ACCOUNT).read_text())
        self.admin_email: str = account["email"]
        self.admin_password: str = account["password"]
        self.admin_token: str = account["token"]

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> LabelStudioProcess:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self.port = self.port or free_port()
        if port_is_taken(self.port):
            # Label Studio would silently take the next port.
            raise RuntimeError(f"port {self.port} is taken; choose another one")
        self.process = launch(self.data_dir, self.log, self.port, ["start"], self.document_root)
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self.process.poll() is not None:
                tail = self.log.read_text(errors="replace")[-1500:]
                raise RuntimeError(f"Label Studio ended while starting. Its last words:\n{tail}")
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer,
            ):
                if answer.status == 200:
                    return
            if time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"Label Studio did not answer in {START_SECONDS} s: {self.log}")
            time.sleep(0.2)

    def stop(self) -> None:
        """End the server, by force if it does not end by itself."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def add_user(self, email: str, password: str | None = None) -> str:
        """Add a user to the organisation; return the user's legacy token.

        Parameters
        ----------
        email : str
            Also the login.
        password : str, optional
            Default: a random one.
        """
        invite = self.request("GET", "/api/invite", self.admin_token)["invite_url"]
        query = urllib.parse.urlsplit(invite).query
        browser = Browser(self.url)
        page = browser.get(f"/user/signup/?{query}")
        browser.post(
            f"/user/signup/?{query}",
            {"email": email, "password": password or secrets.token_hex(8)},
            page,
        )
        return str(json.loads(browser.get("/api/current-user/token"))["token"])

    def personal_token(self) -> str:
        """Make the admin's personal access token, as the page Account & Settings does; once."""
        browser = Browser(self.url)
        page = browser.get("/user/login/")
        browser.post(
            "/user/login/", {"email": self.admin_email, "password": self.admin_password}, page
        )
        settings = {"api_tokens_enabled": True, "legacy_api_tokens_enabled": True}
        self.request("POST", "/api/jwt/settings", self.admin_token, settings)
        return str(self.request("POST", "/api/token/", self.admin_token, {})["token"])

    def request(self, method: str, path: str, token: str, body: Any = None) -> Any:
        """Call the server's API with a legacy token; return the parsed answer."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Token {token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            content = answer.read()
        return json.loads(content) if content else None


class Browser:
    """Just enough of a browser to sign up: cookies and the form's token."""

    def __init__(self, url: str) -> None:
        self.url = url
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(cookies)

    def get(self, path: str) -> str:
        """Return a page."""
        with self.opener.open(self.url + path, timeout=60) as answer:
            return str(answer.read().decode())

    def post(self, path: str, form: dict[str, str], page: str) -> str:
        """Send a form of `page`; return the answer."""
        match = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        if match is None:
            raise RuntimeError(f"Label Studio's page {path} has no form")
        data = urllib.parse.urlencode({"csrfmiddlewaretoken": match.group(1), **form}).encode()
        request = urllib.request.Request(
            self.url + path, data=data, headers={"Referer": self.url + path}
        )
        with self.opener.open(request, timeout=60) as answer:
            return str(answer.read().decode())


def launch(
    data_dir: Path,
    log: Path,
    port: int,
    arguments: list[str],
    document_root: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start the server's process with our settings only."""
    # Label Studio also reads plain names such as HOST and PORT, which may be anybody's.
    env = {
        name: value
        for name, value in os.environ.items()
        if name
        in ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "SSRF_PROTECTION_ENABLED")
    }
    env.update(
        LABEL_STUDIO_BASE_DATA_DIR=str(data_dir),
        COLLECT_ANALYTICS="false",
        LATEST_VERSION_CHECK="false",
        SENTRY_DSN="",
        FRONTEND_SENTRY_DSN="",
        LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN="true",
        LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK="true",
    )
    if document_root is not None:
        env.update(
            LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED="true",
            LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT=str(document_root),
        )
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [
        str(HOME / "venv" / "bin" / "label-studio"),
        *arguments,
        "--no-browser",
        "--internal-host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    with log.open("ab") as output:
        return subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )


def make_seed() -> None:
    """Create the seed: a migrated database with the first user and nothing else."""
    if SEED.exists():
        return
    # Under another name until it is complete, so that a kill leaves no half-made seed.
    draft = HOME / "seed-draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    account = {
        "email": ADMIN_EMAIL,
        "password": secrets.token_hex(8),
        "token": secrets.token_hex(20),
    }
    (draft / ACCOUNT).write_text(json.dumps(account))
    first = [
        "start",
        "--username",
        account["email"],
        "--password",
        account["password"],
        "--user-token",
        account["token"],
        "--enable-legacy-api-token",
    ]
    server = LabelStudioProcess(draft, log=HOME / "seed.log", keep_data=True)
    server.port = free_port()
    server.process = launch(draft, server.log, server.port, first)
    deadline = time.monotonic() + START_SECONDS
    try:
        while True:
            with contextlib.suppress(OSError):
                user = server.request("GET", "/api/current-user/whoami", server.admin_token)
                if user["email"] == ADMIN_EMAIL:
                    break
            if server.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Label Studio did not start; see {server.log}")
            time.sleep(0.5)
    finally:
        server.stop()
    draft.rename(SEED)


def port_is_taken(port: int) -> bool:
    """Tell whether somebody listens on the port."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    if sys.argv[1:] != ["seed"]:
        sys.exit(__doc__)
    make_seed()
