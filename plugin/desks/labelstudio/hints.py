"""What a failed request and a key tell, in words that say what to do; never the key itself."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime, timezone
from typing import Any

LONGEST_PAUSE = 30.0


def kind_of_key(key: str) -> str:
    """Return which kind of key this is, and until when it is valid."""
    try:
        _, payload, _ = key.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        expires = datetime.fromtimestamp(claims["exp"], timezone.utc)
    except (ValueError, TypeError, KeyError, OverflowError, binascii.Error):
        return "legacy token"
    return f"personal access token, valid until {expires:%Y-%m-%d}"


def key_hint(status: int | None, detail: str) -> str:
    """Say how to fix what is wrong with the key."""
    if "legacy" in detail.lower():
        return (
            "Use a personal access token, or switch legacy tokens on under Organization > "
            "Access Token Settings."
        )
    if status == 403:
        return "The key's owner must be allowed to do this; ask an administrator."
    if "expire" in detail.lower():
        return "Make a new one on Label Studio's page Account & Settings."
    return "Check it: Label Studio's page Account & Settings shows it."


def unreachable_because(error: Exception) -> tuple[str, str]:
    """Say why a connection failed, as a clause, and what to do, as a sentence."""
    text = str(error).upper()
    if "CERTIFICATE" in text:
        return (
            "its TLS certificate is not trusted",
            "Pass verify='path/to/ca.pem' if it is one of your own.",
        )
    if "WRONG_VERSION_NUMBER" in text or "RECORD LAYER" in text:
        return "it does not speak TLS", "Begin the address with http:// instead of https://."
    if "NAME OR SERVICE" in text or "NODENAME" in text or "NAME RESOLUTION" in text:
        return "no machine has this name", "Check the address."
    if "REFUSED" in text:
        return "nothing is listening at that address", "Start it, or check address and port."
    return "the connection broke off", "Check that it is running and that the address is right."


def pause_asked_for(response: Any) -> float:
    """Return the seconds that a busy server wants to be left alone."""
    try:
        seconds = float(response.headers.get("retry-after", 1.0))
    except ValueError:
        seconds = 1.0
    return min(max(seconds, 0.0), LONGEST_PAUSE)


def failure_detail(body: Any) -> str:
    """Return what the server says, without the headers that the SDK's own text would show."""
    if isinstance(body, dict):
        parts = [str(body[k]) for k in ("detail", "validation_errors", "message") if body.get(k)]
        return "; ".join(parts)[:500] or "no reason given"
    return "no reason given"
