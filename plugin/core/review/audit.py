"""The ledger for other eyes: one flat row per event."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .gold import GoldItem
from .ledger import Event
from .pages import Page
from .queue import BatchItem
from .schema import SCHEMA

_PUSHED = ("rank", "importance", "label", "suggested_label", "suggested_probability", "control")
_VERSIONS = ("version", "scorer_version", "embeddings_field", "model")
AUDIT_COLUMNS = (
    *Event.__dataclass_fields__,
    "page",
    "gold",
    "gold_true_label",
    *(f"pushed_{key}" for key in _PUSHED),
    *_VERSIONS,
    "schema",
)


def audit_rows(
    events: Sequence[Event],
    shown: Iterable[BatchItem | GoldItem],
    config: dict[str, Any],
) -> list[dict[str, Any]]:
    """Return one flat row an event, with what was known when the sample was pushed.

    Parameters
    ----------
    events : sequence of Event
        Events of one round.
    shown : iterable of BatchItem or GoldItem
        What the round shows.
    config : dict
        The round's parameters; its versions are shown.

    Returns
    -------
    list of dict
        All with the keys `AUDIT_COLUMNS`.
    """
    items = {item.sample_id: item.to_dict() for item in shown}
    rows = []
    for event in events:
        item = items.get(event.sample_id or "", {})
        rows.append(
            {
                **event.to_dict(),
                "page": Page.of(event.answer_id).value if event.answer_id else None,
                "gold": "true_label" in item,
                "gold_true_label": item.get("true_label"),
                **{f"pushed_{key}": item.get(key) for key in _PUSHED},
                **{key: config.get(key) for key in _VERSIONS},
                "schema": SCHEMA,
            }
        )
    return rows
