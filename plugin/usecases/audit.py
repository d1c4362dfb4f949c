"""The use case "write every event of the ledger to a file"."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

from ..core.errors import DataError
from ..core.review.audit import AUDIT_COLUMNS, audit_rows
from .workspace import Workspace


def export_audit(work: Workspace, path: str | os.PathLike[str]) -> int:
    """Write the events; return how many there are."""
    path = Path(path)
    if path.suffix not in (".jsonl", ".csv"):
        raise DataError(
            f"the audit's file name must end in .jsonl or .csv, got {path.name!r}.",
            "Give it one of these endings.",
        )
    rows = [row for r in work.store.all() for row in audit_rows(r.answers, r.shown, r.config)]
    with path.open("w", newline="", encoding="utf-8") as file:
        if path.suffix == ".jsonl":
            file.writelines(json.dumps(row) + "\n" for row in rows)
        else:
            writer = csv.DictWriter(file, fieldnames=AUDIT_COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
    return len(rows)
