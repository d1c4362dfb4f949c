"""A user's own predictions, read from a field of the dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from ..core.errors import DataError
from .labels import LabelField

Float = NDArray[np.float64]


def read_probabilities(
    labels: LabelField, field: str, ids: Sequence[str], classes: Sequence[str]
) -> Float:
    """Return what a field predicts for labels, one column per class.

    Parameters
    ----------
    labels : LabelField
        What is cleaned.
    field : str
        A ``Classification`` field with logits, or a ``VectorField`` of probabilities. Their order
        is that of ``dataset.classes[field]``, else of the classes listed for the label field or
        the dataset, else the names sorted.
    ids : sequence of str, length n
        Label ids.
    classes : sequence of str, length K
        The columns wanted.

    Returns
    -------
    array of shape (n, K)
        Rows sum to 1; a row of zeros has no prediction.

    Raises
    ------
    DataError
        When the field can't hold predictions, or its classes are not known.
    """
    path, are_logits = _path(labels, field)
    found = labels.columns([path], ids)
    vectors = {i: np.asarray(v, np.float64) for i, (v,) in found.items() if v is not None}
    widths = {vector.size for vector in vectors.values()}
    order = _order(labels, field, classes, widths)
    column = {name: k for k, name in enumerate(classes)}
    places = [(k, column[name]) for k, name in enumerate(order) if name in column]
    source, target = ([p[side] for p in places] for side in (0, 1))
    probabilities: Float = np.zeros((len(ids), len(classes)))
    for row, label_id in enumerate(ids):
        vector = vectors.get(label_id)
        if vector is not None:
            values = softmax(vector) if are_logits else vector
            probabilities[row, target] = values[source]
    total = probabilities.sum(axis=1, keepdims=True)
    probabilities /= np.where(total > 0, total, 1.0)
    return probabilities


def _path(labels: LabelField, field: str) -> tuple[str, bool]:
    found: Any = labels.dataset.get_field(field)
    if isinstance(found, fo.VectorField):
        return field, False
    document = getattr(found, "document_type", None)
    if document is not None and issubclass(document, fo.Classification):
        return f"{field}.logits", True
    got = "it does not exist" if found is None else f"got {type(found).__name__}"
    raise DataError(
        f"probabilities_field {field!r} of dataset {labels.dataset.name!r} must be a "
        f"Classification field with logits or a vector field of probabilities; {got}.",
        "Store them: dataset.add_sample_field(name, fiftyone.VectorField), one vector per sample.",
    )


def _order(
    labels: LabelField, field: str, classes: Sequence[str], widths: set[int]
) -> Sequence[str]:
    """Return the classes that the numbers of a vector stand for."""
    dataset = labels.dataset
    listed = dataset.classes.get(field) or dataset.classes.get(labels.name)
    order = listed or dataset.default_classes or sorted(classes)
    if not widths:
        raise DataError(
            f"no sample of dataset {dataset.name!r} has a prediction in {field!r}.",
            "Store logits or probabilities there first, or leave probabilities_field out.",
        )
    if widths != {len(order)}:
        raise DataError(
            f"the predictions in {field!r} of dataset {dataset.name!r} must have one number per "
            f"class, {len(order)} ({', '.join(order[:5])}, …), got {sorted(widths)}.",
            f"Say what the numbers stand for: dataset.classes[{field!r}] = [...]; dataset.save()",
        )
    return order
