"""Errors for requests that failed: what happened, through which proxy, and what to do."""

from __future__ import annotations

from ...core.errors import AuthenticationError, ServerError, ServerUnreachableError
from .hints import key_hint, unreachable_because
from .proxies import proxy_fix, proxy_variable


class RefusedError(ServerError):
    """The request itself was refused: the same would be refused again."""


class KeyRefusedError(AuthenticationError, RefusedError):
    """The same, because of the key."""


def is_refusal(error: ServerError) -> bool:
    """Tell whether the same request would be refused again."""
    return isinstance(error, RefusedError)


def too_slow(url: str, seconds: float) -> ServerUnreachableError:
    """Return the error for an answer that did not come in time."""
    variable = proxy_variable(url)
    by = f" through the proxy that {variable} names" if variable else ""
    return ServerUnreachableError(
        f"Label Studio at {url} did not answer within {seconds:.3g} s{by}.",
        "Run it again; what has arrived is not sent twice.",
    )


def unreachable(url: str, error: Exception) -> ServerUnreachableError:
    """Return the error for a connection that failed."""
    why, fix = unreachable_because(error)
    variable = proxy_variable(url)
    if variable and "certificate" not in why:
        # What was refused may be the proxy's address or the server's: only the proxy knows.
        why = f"the proxy that {variable} names fails ({why})"
        fix = proxy_fix(url, variable)
    return ServerUnreachableError(f"Label Studio at {url} can't be reached: {why}.", fix)


def no_json(url: str, status: int | None) -> ServerError:
    """Return the error for an answer that Label Studio would not give."""
    what = f"{url} answered with something other than Label Studio's JSON"
    what += f" (status {status})." if status and status >= 400 else "."
    fix = "Check the address, with its path if it has one."
    variable = proxy_variable(url)
    if variable:
        what += f" The request went through the proxy that {variable} names."
        fix = f"{proxy_fix(url, variable)} {fix}"
    # A proxy that is busy or lost its server may do better the next time.
    kind = RefusedError if status and 400 <= status < 500 and status != 408 else ServerError
    return kind(what, fix, status=status)


def refused(url: str, status: int | None, detail: str) -> ServerError:
    """Return the error for a request that the server refused or failed at."""
    # The SDK has no status for what it refuses by itself, such as an expired token.
    if status in (401, 403) or status is None:
        return KeyRefusedError(
            f"Label Studio at {url} does not accept the key ({detail}).",
            key_hint(status, detail),
            status=status,
        )
    what = f"Label Studio at {url} answered {status}: {detail.rstrip('.')}."
    if status == 404:
        fix = "Check the address, with its path if it has one."
    elif status >= 500:
        fix = "Run it again; if it stays so, Label Studio's own log says why."
    else:
        fix = "Label Studio's own reason says what it does not accept."
    kind = RefusedError if status < 500 and status not in (408, 409) else ServerError
    return kind(what, fix, status=status)
