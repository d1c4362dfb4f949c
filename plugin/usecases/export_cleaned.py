"""The use case "take the cleaned labels elsewhere"."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import DataError
from ..core.review.cleaned import CleanedLabel, changes
from ..core.review.scope import TEST_SPLIT, TRAIN_SPLIT
from ..exports.base import Cleaned, Progress
from ..exports.formats import FORMATS
from ..exports.names import ExportFormat
from ..exports.target import check_free, written_beside
from ..exports.training import TrainingSet
from ..reports.exports import ExportReport
from ..store.label_rows import weight_or_one
from ..store.marks import read_review, standing
from .workspace import Workspace


def export_cleaned(
    work: Workspace,
    target: str | os.PathLike[str],
    format: str | None,
    keep_deleted: bool,
    progress: Progress | None,
) -> ExportReport:
    """Write the labels; refuse before anything is written."""
    target = Path(target).expanduser()
    wanted = ExportFormat.of(format, target.name)
    form, folder = FORMATS[wanted], wanted.is_folder
    check_free(target, folder=folder)
    labels = cleaned_labels(work)
    if not labels:
        raise DataError(
            f"{work.where} has no label to export.", "Check the label field, or the view."
        )
    stay = [label for label in labels if keep_deleted or label.weight > 0]
    if not stay:
        raise DataError(
            f"all labels of {work.where} have weight 0, so that none would be exported.",
            "Keep them with their weight: keep_deleted=True, or --keep-deleted.",
        )
    cleaned = Cleaned(
        labels=stay,
        changed=changes(labels),
        classes=work.labels.classes(),
        view=work.labels.select([label.id for label in stay]),
        whole_images=not work.labels.of_crops,
        boxes=work.labels.boxes([label.id for label in stay]),
    )
    form.check(cleaned)
    with written_beside(target, folder=folder) as written:
        form.write(cleaned, written, progress)
    return ExportReport(
        target=str(target),
        format=wanted.value,
        exported=len(stay),
        splits={split: sum(x.split == split for x in stay) for split in cleaned.splits},
        left_out=len(labels) - len(stay),
        unlabeled=work.samples.view.count() - work.samples.view.exists(work.labels.path).count(),
        changed=len(cleaned.changed),
    )


def training_set(work: Workspace) -> TrainingSet:
    """Return the labels outside the test split as arrays."""
    labels = [label for label in cleaned_labels(work) if label.split == TRAIN_SPLIT]
    classes = work.labels.classes()
    number = {name: index for index, name in enumerate(classes)}
    return TrainingSet(
        images=[label.image for label in labels],
        targets=np.array([number[label.label] for label in labels], dtype=np.int64),
        sample_weight=np.array([label.weight for label in labels], dtype=np.float64),
        classes=classes,
        ids=[label.id for label in labels],
    )


def list_changes(work: Workspace) -> list[dict[str, Any]]:
    """Return what reviewers changed."""
    return changes(cleaned_labels(work))


def cleaned_labels(work: Workspace) -> list[CleanedLabel]:
    """Read every label there is, with what reviewers did to it, in the order of the ids."""
    work.labels.check_recorded()
    labels, names, rounds = work.labels, work.labels.names, work.store.all()
    read = [labels.path, names.weight, f"{names.original}.label", names.review]
    columns = labels.own_columns(read)
    # What the ledger says counts, even if somebody has cleared the fields that say so.
    known = {i: found.after for i, found in standing(labels, rounds).items()}
    images = labels.images(list(columns))
    held_out = _test_images(work)
    found = []
    for label_id, values in sorted(columns.items()):
        label, weight, original, review = values
        if label is None:  # nothing to train on
            continue
        state = rounds.states.get(label_id)
        image = images[label_id]
        mark = read_review(review)
        if label_id in known:
            marks = known[label_id]
            label, weight, original, mark = marks.label, marks.weight, marks.original, marks.review
        found.append(
            CleanedLabel(
                id=label_id,
                image=image,
                split=TEST_SPLIT
                if (label_id if not labels.of_crops else image) in held_out
                else TRAIN_SPLIT,
                label=label,
                weight=weight_or_one(weight),
                original=original,
                review=mark,
                asked=rounds.asked(state) if state and mark else None,
            )
        )
    return found


def _test_images(work: Workspace) -> set[str]:
    """Return what tells a label of the test split: its id, or its image's path."""
    view = work.samples.test_view()
    if view is None:
        return set()
    return set(view.values("id" if not work.labels.of_crops else "filepath"))
