"""The key that ties a task to what it shows: never its position, never the task's own id."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

# More than any server counts its answers to.
_REUSED = 10**12
_SHEET = re.compile(r"sheet:(\d+)")
# Of a page with one image; of one on a sheet, with its slot there.
_SINGLE_ANSWER = re.compile(r"\d+")
_SHEET_ANSWER = re.compile(r"\d+:\d+")


def project_marker(dataset_id: str, label_field: str, sheets: bool = False) -> str:
    """Return the text that tells our project from all others, whatever its title."""
    return f"coreset-cleaning{'-sheets' if sheets else ''}:{dataset_id}:{label_field}"


def push_key(dataset_id: str, label_field: str, round_: int, sample_id: str) -> str:
    """Return the key of a sample's task in a round.

    Examples
    --------
    >>> push_key("6b0", "ground_truth", 3, "7c1")
    '6b0:ground_truth:3:7c1'
    """
    return f"{dataset_id}:{label_field}:{round_}:{sample_id}"


def sheet_key(dataset_id: str, label_field: str, round_: int, sheet: int) -> str:
    """Return the key of a sheet; the slots on it are named in its task.

    Examples
    --------
    >>> sheet_key("6b0", "ground_truth", 3, 2)
    '6b0:ground_truth:3:sheet:2'
    """
    return push_key(dataset_id, label_field, round_, f"sheet:{sheet}")


def parse_push_key(key: object, dataset_id: str, label_field: str) -> tuple[int, str] | None:
    """Return (round, sample id), or None when the key is not one of this dataset and field."""
    prefix = f"{dataset_id}:{label_field}:"
    if not isinstance(key, str) or not key.startswith(prefix):
        return None
    number, _, sample_id = key[len(prefix) :].partition(":")
    if not number.isdecimal() or not sample_id:
        return None
    return int(number), sample_id


def sheet_number(rest: str) -> int | None:
    """Return which sheet the last part of a push key names; None when it names a sample."""
    found = _SHEET.fullmatch(rest)
    return int(found[1]) if found else None


def is_own_answer(answer_id: str, sheets: bool) -> bool:
    """Tell whether an answer's id is one of a page of this kind; other desks have other ids."""
    return bool((_SHEET_ANSWER if sheets else _SINGLE_ANSWER).fullmatch(answer_id))


def earlier_answers(data: Mapping[str, Any]) -> frozenset[str]:
    """Return the ids of the answers on record when a lost task was made again.

    They were given to the task before this one: not finding them here does not mean that anybody
    took them back.
    """
    ids = data.get("earlier_answers")
    if not isinstance(ids, list):
        return frozenset()
    return frozenset(str(i) for i in ids if isinstance(i, (int, str)) and not isinstance(i, bool))


def answer_id(annotation_id: int, earlier: Collection[str], slot: str = "") -> str:
    """Return what an answer is called on record: the server's id, unless it was used before.

    A server of its own counts from 1 again, and SQLite gives the ids of deleted rows to new ones.

    Parameters
    ----------
    annotation_id : int
        The server's id.
    earlier : collection of str
        Ids that were used before.
    slot : str, default ""
        On a sheet: the place of the image that the answer is about.

    Examples
    --------
    >>> answer_id(7, {"3"}), answer_id(3, {"3"}), answer_id(3, (), "12")
    ('7', '1000000000003', '3:12')
    """
    suffix = f":{slot}" if slot else ""
    while f"{annotation_id}{suffix}" in earlier:
        annotation_id += _REUSED
    return f"{annotation_id}{suffix}"
