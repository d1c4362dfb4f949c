"""The key that ties a task to a sample: never its position, never the task's own id."""

from __future__ import annotations


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
