"""The connection to a Label Studio server: the only module that knows the SDK.

All requests pass through one method, so that failures become one kind of error, no key reaches an
error text, and nothing that changes the server is ever sent twice by itself: with retries, a
server that is killed during an import ends up with every task twice.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from ..core.errors import AuthenticationError, DataError, ServerError, ServerUnreachableError

URL_VARIABLE = "LABEL_STUDIO_URL"
KEY_VARIABLE = "LABEL_STUDIO_API_KEY"

_READ_RETRIES = 2
_PAGE = 500


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
                f"{url or 'nothing'!r}. Set {URL_VARIABLE} or pass url."
            )
        if not api_key:
            raise DataError(
                f"the key of Label Studio at {url} must be given. Copy it from Label Studio's page "
                f"Account & Settings and set {KEY_VARIABLE}, or pass api_key."
            )
        self.url = url.rstrip("/")
        self._api_key = api_key
        self._verify = verify
        self._timeout = timeout
        self._sdk: Any = None

    def __repr__(self) -> str:
        return f"LabelStudioServer({self.url!r})"

    @property
    def _client(self) -> Any:
        if self._sdk is None:
            import httpx
            from label_studio_sdk import LabelStudio

            http = httpx.Client(verify=self._verify, timeout=self._timeout, follow_redirects=True)
            self._sdk = LabelStudio(base_url=self.url, api_key=self._api_key, httpx_client=http)
        return self._sdk

    def get(self, path: str, **params: Any) -> Any:
        """Read; tried again when the server is busy."""
        return self._send("GET", path, params=params, retries=_READ_RETRIES)

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
                "changed the project meanwhile. Call the same again."
            )

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        json: Any = None,
        files: Any = None,
        retries: int = 0,
    ) -> Any:
        import httpx
        from label_studio_sdk.core.api_error import ApiError

        # `from None` below: the causes' own texts hold headers with cookies.
        try:
            response = self._client._client_wrapper.httpx_client.request(
                path,
                method=method,
                params=params,
                json=json,
                files=files,
                request_options={"max_retries": retries},
            )
        except ApiError as error:
            raise self._refused(error.status_code, _detail(error.body)) from None
        except httpx.TimeoutException:
            raise ServerUnreachableError(
                f"Label Studio at {self.url} did not answer within {self._timeout:.0f} s. "
                "Call the same again; what has arrived is not sent twice."
            ) from None
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            raise DataError(f"the address {self.url!r} is not one Label Studio can have.") from None
        except httpx.TransportError as error:
            reason = (
                "its TLS certificate is not trusted"
                if "CERTIFICATE" in str(error)
                else ("the connection failed")
            )
            raise ServerUnreachableError(
                f"Label Studio at {self.url} can't be reached: {reason}. Is it running, and is the "
                "address right?"
            ) from None
        return self._parsed(response)

    def _parsed(self, response: Any) -> Any:
        if response.status_code >= 400:
            try:
                body = response.json()
            except ValueError:
                body = None
            raise self._refused(response.status_code, _detail(body))
        if not response.content:
            return None
        try:
            return response.json()
        except json.JSONDecodeError:
            raise ServerError(
                f"{self.url} answered with something other than Label Studio's JSON. Is the "
                "address right, with its path if it has one?",
                response.status_code,
            ) from None

    def _refused(self, status: int | None, detail: str) -> ServerError:
        if status in (401, 403) or status is None:
            hint = "Check the key: Label Studio's page Account & Settings shows it."
            if "legacy" in detail.lower():
                hint = (
                    "Use a personal access token, or switch legacy tokens on under Organization > "
                    "Access Token Settings."
                )
            elif status == 403:
                hint = "The key's owner must be allowed to do this; ask an administrator."
            return AuthenticationError(
                f"Label Studio at {self.url} does not accept the key ({detail}). {hint}", status
            )
        if status == 404:
            detail += ". Is the address right, with its path if it has one?"
        return ServerError(f"Label Studio at {self.url} answered {status}: {detail}", status)


def _detail(body: Any) -> str:
    """Return what the server says, without the headers that the SDK's own text would show."""
    if isinstance(body, dict):
        parts = [str(body[k]) for k in ("detail", "validation_errors", "message") if body.get(k)]
        return "; ".join(parts)[:500] or "no reason given"
    return "no reason given"
