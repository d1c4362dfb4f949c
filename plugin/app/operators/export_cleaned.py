"""Operator: the cleaned labels for other programs."""

from __future__ import annotations

from typing import Any

from fiftyone.operators import types

from ...core.errors import DataError
from ...exports.names import ExportFormat
from ..context import loop_for
from ..exports import export_folder, target_named
from .base import Answer, LoopOperator
from .fields import add_label_field, add_test_tag

_INSTEAD = "on the command line, `coreset-cleaning export` writes to any path."


class ExportCleaned(LoopOperator):
    """Write the labels as they are now to the folder for exports; nothing is overwritten."""

    name = "export_cleaned"
    label = "Label cleaning: export the cleaned data"
    description = (
        "Copy images with their corrected labels and weights for training elsewhere: image "
        "folder, CSV, COCO, FiftyOne or Hugging Face dataset, or only the list of changes"
    )
    icon = "drive_folder_upload"
    risk = "MEDIUM"
    takes_long = True
    changes_samples = False

    def form(self, ctx: Any, inputs: types.Object) -> None:
        """Ask for format and name, and what becomes of deleted labels."""
        add_label_field(ctx, inputs)
        add_test_tag(ctx, inputs)
        view = types.DropdownView()
        for form in ExportFormat:
            view.add_choice(form.value, label=form.words)
        inputs.enum(
            "format",
            view.values(),
            label="Format",
            default=ExportFormat.IMAGE_FOLDER.value,
            view=view,
        )
        wanted = ctx.params.get("format") or ExportFormat.IMAGE_FOLDER.value
        endings = " or ".join(ExportFormat.of(wanted, "a.csv").endings)
        target = inputs.str(
            "target",
            label="File name" if endings else "Folder name",
            description=(f"Ends in {endings}. " if endings else "")
            + f"Written to {export_folder()} on the FiftyOne server; nothing is overwritten.",
            required=True,
        )
        inputs.bool(
            "keep_deleted",
            label="Keep deleted labels, with weight 0",
            default=False,
            view=types.CheckboxView(),
        )
        given = ctx.params.get("target")
        if not given:
            return
        try:
            target_named(given, _INSTEAD)
            ExportFormat.of(wanted, given)
        except DataError as error:
            target.invalid, target.error_message = True, str(error)

    def run(self, ctx: Any) -> Answer:
        """Write."""
        wanted = ctx.params.get("format") or ExportFormat.IMAGE_FOLDER.value
        target = target_named(ctx.params.get("target"), _INSTEAD)
        report = loop_for(ctx).export_cleaned(
            target, wanted, keep_deleted=bool(ctx.params.get("keep_deleted", False))
        )
        return Answer(f"{report}.", report=report.to_dict())
