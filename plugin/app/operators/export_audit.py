"""Operator: every verdict in one file."""

from __future__ import annotations

import os
from typing import Any

from fiftyone.operators import types

from ..context import loop_for
from .base import Answer, LoopOperator, add_label_field


class ExportAudit(LoopOperator):
    """Write every event of the ledger to a file."""

    name = "export_audit"
    label = "Label cleaning: export the audit"
    description = "Write who decided what and when to a .jsonl or .csv file"
    icon = "receipt_long"
    changes_samples = False

    def form(self, ctx: Any, inputs: types.Object) -> None:
        """Ask for the file."""
        add_label_field(ctx, inputs)
        path = inputs.str(
            "path",
            label="File on the FiftyOne server",
            description="Ends in .jsonl or .csv; an existing file is replaced",
            required=True,
        )
        given = ctx.params.get("path")
        if given and not given.endswith((".jsonl", ".csv")):
            path.invalid, path.error_message = True, "The name must end in .jsonl or .csv."
        elif given and not os.path.isdir(os.path.dirname(os.path.abspath(given))):
            path.invalid, path.error_message = True, "There is no such folder."

    def run(self, ctx: Any) -> Answer:
        """Write."""
        path = ctx.params["path"]
        n = loop_for(ctx).export_audit(path)
        return Answer(f"{n} events written to {path}.", report={"file": path, "events": n})
