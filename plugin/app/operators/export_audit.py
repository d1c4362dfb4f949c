"""Operator: every verdict in one file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from fiftyone.operators import types

from ...core.errors import DataError
from ..context import loop_for
from ..exports import already_there, export_folder, target_named
from .base import Answer, LoopOperator
from .fields import add_label_field

_SUFFIXES = (".jsonl", ".csv")


class ExportAudit(LoopOperator):
    """Write every event of the ledger to a file in the folder for exports.

    Whoever can click in the App may not choose where the server's account writes: a name is
    asked for, never a path, and a file is replaced only when that was asked for.
    """

    name = "export_audit"
    label = "Label cleaning: export the audit"
    description = (
        "Write a log of every answer to a .jsonl or .csv file: who decided what, when and why"
    )
    icon = "receipt_long"
    risk = "HIGH"
    changes_samples = False

    def form(self, ctx: Any, inputs: types.Object) -> None:
        """Ask for the file's name, and whether one that exists may go."""
        add_label_field(ctx, inputs)
        name = inputs.str(
            "path",
            label="File name",
            description=f"Ends in .jsonl or .csv. The file is written to {export_folder()} on the "
            "FiftyOne server.",
            required=True,
        )
        inputs.bool(
            "replace",
            label="Replace the file if it exists",
            default=False,
            view=types.CheckboxView(),
        )
        given = ctx.params.get("path")
        if not given:
            return
        try:
            check_target(given, replace=ctx.params.get("replace", False))
        except DataError as error:
            name.invalid, name.error_message = True, str(error)

    def run(self, ctx: Any) -> Answer:
        """Write."""
        replace = ctx.params.get("replace", False)
        target = check_target(ctx.params["path"], replace=replace)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Written beside it and moved: a link at that name is never followed, and no file that
        # comes into being meanwhile is lost.
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            written = Path(folder) / f"audit{target.suffix}"
            n = loop_for(ctx).export_audit(written)
            if replace:
                written.replace(target)
            else:
                try:
                    os.link(written, target)
                except FileExistsError:
                    raise already_there(target) from None
        return Answer(f"{n} events written to {target}.", report={"file": str(target), "events": n})


def check_target(name: str, *, replace: bool) -> Path:
    """Return the file that a name stands for.

    Raises
    ------
    DataError
        When it is not a plain name of a .jsonl or .csv file, or the file exists and may not be
        replaced.
    """
    instead = "on the command line, `coreset-cleaning audit` writes to any path."
    target = target_named(name, instead, replace=replace)
    if not name.endswith(_SUFFIXES):
        raise DataError(
            f"the audit's file name must end in .jsonl or .csv, got {name!r}.", "Add the ending."
        )
    return target
