"""The key that ties a task to a sample: never its position, never the task's own id."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

# More than any server counts its answers to.
_REUSED = 10**12


def project_marker(dataset_id: str, label_field: str) -> str:
    """Return the text that tells our project from all others, whatever its title."""
    return f"coreset-cleaning:{dataset_id}:{label_field}"


def push_key(dataset_id: str, label_field: str, round_: int, sample_id: str) -> str:
    """Return the key of a sample's task in a round.

    Examples
    --------
    >>> push_key("6b0", "ground_truth", 3, "7c1")
    '6b0:ground_truth:3:7c1'
    """
    return f"{dataset_id}:{label_field}:{round_}:{sample_id}"


def parse_push_key(key: object, dataset_id: str, label_field: str) -> tuple[int, str] | None:
    """Return (round, sample id), or None when the key is not one of this dataset and field."""
    prefix = f"{dataset_id}:{label_field}:"
    if not isinstance(key, str) or not key.startswith(prefix):
        return None
    number, _, sample_id = key[len(prefix) :].partition(":")
    if not number.isdecimal() or not sample_id:
        return None
    return int(number), sample_id


def earlier_answers(data: Mapping[str, Any]) -> frozenset[int]:
    """Return the ids of the answers on record when a lost task was made again.

    They were given to the task before this one: not finding them here does not mean that anybody
    took them back.
    """
    ids = data.get("earlier_answers")
    return frozenset(i for i in ids if isinstance(i, int)) if isinstance(ids, list) else frozenset()


def answer_id(annotation_id: int, earlier: Collection[int]) -> str:
    """Return what an answer is called on record: the server's id, unless it was used before.

    A server of its own counts from 1 again, and SQLite gives the ids of deleted rows to new ones.

    Examples
    --------
    >>> answer_id(7, {3}), answer_id(3, {3})
    ('7', '1000000000003')
    """
    while annotation_id in earlier:
        annotation_id += _REUSED
    return str(annotation_id)
