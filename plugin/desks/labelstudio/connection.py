"""The connection to a Label Studio server: the only module that knows the SDK.

All requests pass through one method, so that failures become one kind of error, no key reaches an
error text, and nothing that changes the server is ever sent twice by itself: with retries, a
server that is killed during an import ends up with every task twice.
"""

from __future__ import annotations

import copy
import logging
import os
import queue
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

from ...core.errors import DataError, ServerError
from .failures import RefusedError, is_refusal, no_json, refused, too_slow, unreachable
from .hints import failure_detail, kind_of_key, pause_asked_for
from .proxies import mounts, proxy_variable

__all__ = ["LabelStudioServer", "certificates", "is_refusal"]

URL_VARIABLE = "LABEL_STUDIO_URL"
KEY_VARIABLE = "LABEL_STUDIO_API_KEY"
CA_VARIABLE = "LABEL_STUDIO_CA_BUNDLE"
ROOT_VARIABLE = "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT"

# A read changes nothing, so it is tried again; seconds between the attempts.
READ_PAUSES = (0.2, 0.5, 1.0, 2.0)
# "Too many requests" means that nothing was done, so anything may be sent again.
_BUSY_ATTEMPTS = 8
_PAGE = 1000


class _HideHeaders(logging.Filter):
    """Keeps the HTTP library's debug log from showing cookies."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "headers.complete return_value" not in record.getMessage()


_HIDE_HEADERS = _HideHeaders()


def certificates(verify: bool | str) -> bool | ssl.SSLContext:
    """Return what the HTTP library takes: whether to check certificates, or which to trust.

    Raises
    ------
    DataError
        When the path is no file of certificates.
    """
    if isinstance(verify, bool):
        return verify
    try:
        if os.path.isdir(verify):
            return ssl.create_default_context(capath=verify)
        return ssl.create_default_context(cafile=verify)
    except OSError as error:  # an ssl.SSLError is one, too
        raise DataError(
            "verify must be True, False, or the path of trusted certificates (PEM), got "
            f"{verify!r} ({error}).",
            "Give the path of a file or folder of certificates in PEM form.",
        ) from None


class LabelStudioServer:
    """A Label Studio server and the right to use it.

    Parameters
    ----------
    url : str, optional
        Its address, with a path if it has one. Default: ``LABEL_STUDIO_URL``.
    api_key : str, optional
        A personal access token or a legacy token. Default: ``LABEL_STUDIO_API_KEY``. It is kept in
        memory only.
    verify : bool or str, default True
        Whether to check the TLS certificate; a path to a CA bundle for one that is self-signed.
        With True, ``LABEL_STUDIO_CA_BUNDLE`` may name that path.
    timeout : float, default 60
        Seconds to wait for an answer.

    Raises
    ------
    DataError
        When the address or the key is missing or can't be one.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        verify: bool | str = True,
        timeout: float = 60.0,
    ) -> None:
        url = url or os.environ.get(URL_VARIABLE, "")
        api_key = (api_key or os.environ.get(KEY_VARIABLE, "")).strip()
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            raise DataError(
                "the address of Label Studio must be like http://127.0.0.1:8080, got "
                f"{url or 'nothing'!r}.",
                f"Set {URL_VARIABLE} or pass url.",
            )
        if not api_key:
            raise DataError(
                f"the key of Label Studio at {url} must be given.",
                "Copy it from Label Studio's page Account & Settings and set "
                f"{KEY_VARIABLE}, or pass api_key.",
            )
        self.url = url.rstrip("/")
        self._api_key = api_key
        self._verify = certificates(
            os.environ.get(CA_VARIABLE) or True if verify is True else verify
        )
        self._timeout = timeout
        self._sdk: Any = None

    def __repr__(self) -> str:
        return f"LabelStudioServer({self.url!r})"

    @property
    def key_kind(self) -> str:
        """Which kind of key this is, and until when it is valid; not the key itself."""
        return kind_of_key(self._api_key)

    @property
    def _client(self) -> Any:
        if self._sdk is None:
            import httpx
            from label_studio_sdk import LabelStudio

            for version in ("http11", "http2"):
                logging.getLogger(f"httpcore.{version}").addFilter(_HIDE_HEADERS)
            # Label Studio's own web server sends head and body of an answer one after the other;
            # on a connection in use, the body waits 40 ms until we acknowledge the head. A new
            # connection acknowledges at once, and without TLS it costs next to nothing.
            kept = 20 if urlsplit(self.url).scheme == "https" else 0
            # Redirects stay unfollowed: they turn a POST into a GET, which seems to succeed.
            http = httpx.Client(
                verify=self._verify,
                timeout=self._timeout,
                follow_redirects=False,
                limits=httpx.Limits(max_connections=100, max_keepalive_connections=kept),
                mounts=mounts(self.url),
            )
            # With the slash, the SDK finds the refresh of access tokens below a path, too.
            make: Any = LabelStudio
            self._sdk = make(base_url=self.url + "/", api_key=self._api_key, httpx_client=http)
        return self._sdk

    def probe(self, seconds: float = 2.0) -> str:
        """Ask whether the server is there and accepts the key, once: nothing is tried again.

        Parameters
        ----------
        seconds : float, default 2.0
            The answer or an error comes within this time, whatever the server does. The first
            call of a process loads the SDK before that.

        Returns
        -------
        str
            The server's version.

        Raises
        ------
        ServerUnreachableError
            When nothing answers, or not in time.
        AuthenticationError
            When the key is not accepted.
        ServerError
            When something else than Label Studio answers.
        """
        # The first import takes as long as a server may; it is not the server's fault.
        import label_studio_sdk  # noqa: F401

        quick = copy.copy(self)
        quick._timeout, quick._sdk = seconds, None
        found: queue.SimpleQueue[str | BaseException] = queue.SimpleQueue()

        def ask() -> None:
            try:
                quick._parsed(quick._request("GET", "api/current-user/whoami"))
                answer = quick._parsed(quick._request("GET", "api/version"))
                found.put(str(answer.get("release", "of unknown version")))
            except BaseException as error:
                found.put(error)

        # A limit of the HTTP library is one for each step, and looking up a name has none at all.
        threading.Thread(target=ask, daemon=True).start()
        try:
            outcome = found.get(timeout=seconds)
        except queue.Empty:
            raise too_slow(self.url, seconds) from None
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def get(self, path: str, **params: Any) -> Any:
        """Read; tried again when the server fails."""
        for pause in READ_PAUSES:
            try:
                return self._send("GET", path, params=params)
            except RefusedError:
                raise
            except ServerError:
                time.sleep(pause)
        return self._send("GET", path, params=params)

    def fetch(self, path: str, **params: Any) -> tuple[int, bytes, str]:
        """Read a file as it is; return HTTP status, content, and where it really is, if told."""
        response = self._request("GET", path, params=params)
        return response.status_code, response.content, response.headers.get("location", "")

    def post(self, path: str, body: Any = None, **params: Any) -> Any:
        """Change something, once."""
        return self._send("POST", path, params=params, json=body)

    def patch(self, path: str, body: Any) -> Any:
        """Change something, once."""
        return self._send("PATCH", path, json=body)

    def delete(self, path: str) -> Any:
        """Remove something, once."""
        return self._send("DELETE", path)

    def upload(self, path: str, files: dict[str, tuple[str, bytes]], **params: Any) -> Any:
        """Send files as a form, once."""
        return self._send("POST", path, params=params, files=files)

    def tasks(self, **params: Any) -> Iterator[dict[str, Any]]:
        """Read all tasks that match, page by page.

        Raises
        ------
        ServerError
            When the server sends fewer or more tasks than it says there are.
        """
        page, seen, total = 1, 0, None
        while total is None or seen < total:
            answer = self.get("api/tasks/", page=page, page_size=_PAGE, fields="all", **params)
            if total is None:
                total = answer["total"]
            if not answer["tasks"]:
                break
            yield from answer["tasks"]
            seen += len(answer["tasks"])
            page += 1
        if seen != total:
            raise ServerError(
                f"Label Studio at {self.url} said it has {total} tasks and sent {seen}: somebody "
                "changed the project meanwhile.",
                "Run it again.",
            )

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        json: Any = None,
        files: Any = None,
    ) -> Any:
        for _ in range(_BUSY_ATTEMPTS):
            response = self._request(method, path, params=params, json=json, files=files)
            if response.status_code != 429:
                break
            time.sleep(pause_asked_for(response))
        return self._parsed(response)

    def _request(self, method: str, path: str, **content: Any) -> Any:
        import httpx
        from label_studio_sdk.core.api_error import ApiError

        # `from None` below: the causes' own texts hold headers with cookies.
        try:
            return self._client._client_wrapper.httpx_client.request(
                path,
                method=method,
                # Older SDKs forget the client's own timeout.
                request_options={"max_retries": 0, "timeout_in_seconds": self._timeout},
                **content,
            )
        except ApiError as error:
            raise refused(self.url, error.status_code, failure_detail(error.body)) from None
        except httpx.TimeoutException:
            raise too_slow(self.url, self._timeout) from None
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            raise DataError(
                f"the address {self.url!r} is not one Label Studio can have.",
                f"Set {URL_VARIABLE} or pass url, like http://127.0.0.1:8080.",
            ) from None
        except httpx.TransportError as error:
            raise unreachable(self.url, error) from None
        except ValueError:
            # The SDK parses the answer to its request for an access token without a look at it.
            raise no_json(self.url, None) from None

    def _parsed(self, response: Any) -> Any:
        status: int = response.status_code
        if 300 <= status < 400:
            target = urljoin(self.url + "/", response.headers.get("location", ""))
            raise RefusedError(
                f"Label Studio at {self.url} sends us on to {target.split('?')[0]}.",
                f"Give the address that it really has: set {URL_VARIABLE} or pass url.",
                status=status,
            )
        try:
            body = response.json() if response.content else None
        except ValueError:
            if status < 400 or proxy_variable(self.url):
                raise no_json(self.url, status) from None
            body = None
        if status >= 400:
            raise refused(self.url, status, failure_detail(body))
        return body
