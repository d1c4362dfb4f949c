"""Attributes of objects, as the database holds them and as FiftyOne gives them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import fiftyone as fo
from fiftyone.core.utils import deserialize_numpy_array


def outermost(leaves: Iterable[str]) -> list[str]:
    """Return the fields without those within others of them: a projection takes only one."""
    names = dict.fromkeys(leaves)
    return [n for n in names if not any(n.startswith(f"{other}.") for other in names)]


def value_of(label: Mapping[str, Any], leaf: str) -> Any:
    """Return an attribute of an object as FiftyOne would give it."""
    value: Any = label
    for name in leaf.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    if leaf == "tags":
        return list(value or ())
    if isinstance(value, bytes):
        return deserialize_numpy_array(value)
    if isinstance(value, dict) and value.get("_cls") == fo.DynamicEmbeddedDocument.__name__:
        return fo.DynamicEmbeddedDocument(**{k: v for k, v in value.items() if k != "_cls"})
    return value
