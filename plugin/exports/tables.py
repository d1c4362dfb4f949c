"""Tables: the labels as CSV, and what reviewers changed as CSV or JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..core.review.cleaned import CHANGE_COLUMNS, CleanedLabel
from .base import Cleaned, Format, Progress

LABEL_COLUMNS = ("id", "filepath", "split", "label", "weight", "original_label", "verdict")


class Csv(Format):
    """One row per label; images stay where they are."""

    def write(self, cleaned: Cleaned, target: Path, progress: Progress | None) -> None:
        """Write the table."""
        write_rows(target, LABEL_COLUMNS, map(label_row, cleaned.labels))


class Changes(Format):
    """What reviewers changed, who did, and why."""

    def write(self, cleaned: Cleaned, target: Path, progress: Progress | None) -> None:
        """Write the table, or the same as a list of objects."""
        if target.suffix == ".json":
            text = json.dumps(list(cleaned.changed), indent=1, ensure_ascii=False)
            target.write_text(text + "\n", encoding="utf-8")
        else:
            write_changes(target, cleaned.changed)


def label_row(label: CleanedLabel) -> dict[str, Any]:
    """Return a label as a row of `LABEL_COLUMNS`."""
    return {
        "id": label.id,
        "filepath": label.image,
        "split": label.split,
        "label": label.label,
        "weight": label.weight,
        "original_label": label.original or "",
        "verdict": label.review.verdict if label.review else "",
    }


def write_changes(path: Path, changed: Iterable[dict[str, Any]]) -> None:
    """Write what reviewers changed as CSV."""
    rows = ({**row, "reviewers": "; ".join(row["reviewers"])} for row in changed)
    write_rows(path, CHANGE_COLUMNS, rows)


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """Write a CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=columns)
        writer.writeheader()
        writer.writerows(rows)
