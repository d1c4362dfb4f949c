"""Proxies named in the environment: never used for this machine, and named when they fail."""

from __future__ import annotations

import ipaddress
import os
import urllib.request
from typing import Any
from urllib.parse import urlsplit


def is_loopback(url: str) -> bool:
    """Tell whether an address is one of this machine itself."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def mounts(url: str) -> dict[str, Any]:
    """Return the routes that an `httpx` client of this address needs besides the environment's.

    No proxy leads back to this machine, whatever the environment says.
    """
    host = urlsplit(url).hostname or ""
    return {f"all://{f'[{host}]' if ':' in host else host}": None} if is_loopback(url) else {}


def proxy_variable(url: str) -> str | None:
    """Return the environment's name for the proxy that requests to this address take, or None.

    The name only: a proxy's own address may hold a password.
    """
    parts = urlsplit(url)
    if is_loopback(url) or urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    known = urllib.request.getproxies()
    for scheme in (parts.scheme, "all"):
        if known.get(scheme):
            # Small letters win over capitals, as in Python's own library.
            names = (f"{scheme}_proxy", f"{scheme}_proxy".upper())
            return next((n for n in names if os.environ.get(n)), "the system's settings")
    return None


def proxy_fix(url: str, variable: str) -> str:
    """Say what to do about a proxy that fails."""
    host = urlsplit(url).hostname
    return f"Add {host} to NO_PROXY if it can be reached directly, or correct {variable}."
