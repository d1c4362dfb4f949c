"""The kinds of label that can be cleaned, and how the kind of a field is found."""

from __future__ import annotations

from typing import Any

import fiftyone as fo

from ..core.errors import DataError
from . import ownership
from .classification import ClassificationField
from .detections import DetectionsField
from .labels import LabelField
from .records import Records
from .samples import Samples

KINDS: tuple[type[LabelField], ...] = (ClassificationField, DetectionsField)


def label_fields(dataset: fo.Dataset) -> list[str]:
    """Return the fields whose labels can be cleaned; those that this project made are not."""
    return [
        name
        for name, field in dataset.get_field_schema().items()
        if _kind(field) is not None and not ownership.is_ours(dataset, name)
    ]


def label_field(
    samples: Samples, name: str, embeddings_field: str, prefix: str | None = None
) -> LabelField:
    """Return a field whose labels can be cleaned, as an object of its kind.

    Raises
    ------
    DataError
        When the field does not exist, or its labels can't be cleaned.
    """
    dataset = samples.dataset
    kind = _kind(dataset.get_field(name))
    if kind is None:
        field = dataset.get_field(name)
        problem = "it does not exist" if field is None else f"got {_described(field)}"
        wanted = " or ".join(kind.document.__name__ for kind in KINDS)
        if issubclass(getattr(field, "document_type", object), fo.Classifications):
            problem += ", which gives one image several classes that may all be right"
        raise DataError(
            f"label_field {name!r} of dataset {dataset.name!r} must be a {wanted} field; "
            f"{problem}.",
            f"Fields that can be cleaned: {', '.join(label_fields(dataset)) or 'none'}.",
        )
    _check_not_renamed(dataset, name)
    return kind(samples, name, embeddings_field, prefix)


def _check_not_renamed(dataset: fo.Dataset, name: str) -> None:
    """Refuse to begin anew where the rounds on record are of a field that is gone.

    FiftyOne renames a field without telling anybody; what is on record of it would be lost.
    """
    records = Records(dataset)
    heads = {**records.heads("round"), **records.heads("score")}
    fields = {head["label_field"] for head in heads.values()}
    gone = sorted(field for field in fields if not dataset.has_field(field))
    if name in fields or not gone:
        return
    raise DataError(
        f"the cleaning on record of dataset {dataset.name!r} is of field {gone[0]!r}, which is "
        f"not there any more; nothing is on record of {name!r}.",
        f"If you renamed it: dataset.rename_sample_field({name!r}, {gone[0]!r}). To give up what "
        "is on record: for key in dataset.list_runs(method='coreset_cleaning', "
        f"label_field={gone[0]!r}): dataset.delete_run(key)",
    )


def _kind(field: Any) -> type[LabelField] | None:
    document = getattr(field, "document_type", None)
    for kind in KINDS:
        if document is not None and issubclass(document, kind.document):
            return kind
    return None


def _described(field: Any) -> str:
    document = getattr(field, "document_type", None)
    return type(field).__name__ if document is None else document.__name__
