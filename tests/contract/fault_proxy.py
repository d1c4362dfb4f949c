"""A proxy between client and server that makes every kind of network fault, counted."""

from __future__ import annotations

import copy
import http.client
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

# A fault as a name; "" lets the request through.
Plan = Callable[[str, str], str]

# What a key, a token or a session looks like.
SECRET = re.compile(r"[\w.-]{24,}")

FAULTS = (
    "drop before",  # the server never hears of it
    "drop after",  # the server has done it, and the client never learns
    "500 before",
    "500 after",
    "429",
    "truncated",
    "slow",  # done at once, answered later than the client waits
    "late",  # done only after the client has given up
)


class FaultProxy:
    """Passes requests to `target`; `plan(method, path)` names the fault of each."""

    def __init__(self, target: str, plan: Plan, prefix: str = "", delay: float = 1.0) -> None:
        self.plan = plan
        self.counts: Counter[str] = Counter()
        self.secrets: set[str] = set()  # every key, token and cookie that passed
        self.delay = delay
        self.patience = threading.Event()
        self.queued = threading.Timer(0, lambda: None)
        proxy, port = self, urlsplit(target).port

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:
                    self.close_connection = True

            def respond(self) -> None:
                proxy.handle(self, port or 80, prefix)

            do_GET = do_POST = do_PATCH = do_DELETE = respond  # noqa: N815 - the base's names

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.httpd.server_address[1]}{prefix}"
        self.thread = threading.Thread(target=self.httpd.serve_forever, daemon=True)

    def __enter__(self) -> FaultProxy:
        self.thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.patience.set()
        self.httpd.shutdown()
        self.httpd.server_close()

    def cancel_queued(self) -> None:
        """Let the last queued request never be carried out."""
        self.queued.cancel()

    def handle(self, request: BaseHTTPRequestHandler, port: int, prefix: str) -> None:
        body = request.rfile.read(int(request.headers.get("content-length", 0)))
        fault = self.plan(request.command, request.path)
        if fault:
            self.counts[fault] += 1
        if fault == "drop before":
            return reset(request)
        if fault == "500 before":
            return reply(request, 500, b'{"detail": "made to fail"}')
        if fault == "403":
            return reply(request, 403, b'{"detail": "You do not have permission."}')
        if fault == "429":
            return reply(request, 429, b"{}", {"Retry-After": "0.05"})
        if fault == "queued":
            # As the hosted editions do: accepted now, done later.
            # A copy: the connection goes on with other requests.
            own = (copy.copy(request), body, port, prefix)
            self.queued = threading.Timer(self.delay, forward, own)
            self.queued.start()
            return reply(request, 201, b'{"import": 7}')
        if fault == "late":
            self.patience.wait(self.delay)
        status, headers, content = forward(request, body, port, prefix)
        self.remember_secrets(request, headers, content)
        if fault == "drop after":
            return reset(request)
        if fault == "500 after":
            return reply(request, 500, b'{"detail": "made to fail"}')
        if fault == "truncated":
            # A well-formed response whose JSON ends in the middle.
            content = content[: len(content) // 2] or b"{"
        if fault == "slow":
            self.patience.wait(self.delay)
        return reply(request, status, content, headers)

    def remember_secrets(
        self, request: BaseHTTPRequestHandler, headers: dict[str, str], content: bytes
    ) -> None:
        for name in ("authorization", "cookie"):
            self.secrets.update(SECRET.findall(request.headers.get(name, "")))
        for name, value in headers.items():
            if name.lower() == "set-cookie":
                self.secrets.update(SECRET.findall(value))
        if request.path.endswith("/token/refresh/"):
            self.secrets.update(SECRET.findall(content.decode()))


def forward(
    request: BaseHTTPRequestHandler, body: bytes, port: int, prefix: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(
            request.command,
            request.path.removeprefix(prefix),
            body or None,
            {k: v for k, v in request.headers.items() if k.lower() not in ("host", "connection")},
        )
        response = connection.getresponse()
        content = response.read()
        kept = ("content-type", "set-cookie", "location")
        return (
            response.status,
            {k: v for k, v in response.getheaders() if k.lower() in kept},
            content,
        )
    finally:
        connection.close()


def reply(
    request: BaseHTTPRequestHandler,
    status: int,
    content: bytes,
    headers: dict[str, str] | None = None,
) -> None:
    request.send_response(status)
    for name, value in (headers or {}).items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)


def reset(request: BaseHTTPRequestHandler) -> None:
    """Close the connection as a crash would: with a reset, not an orderly end."""
    linger = struct.pack("ii", 1, 0)
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    request.close_connection = True
