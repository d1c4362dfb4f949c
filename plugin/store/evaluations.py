"""Predictions as a FiftyOne evaluation, for the App's Model Evaluation panel."""

from __future__ import annotations

import fiftyone as fo
import numpy as np
from fiftyone import ViewField as F

from ..core.errors import DataError
from ..core.scoring.linalg import Float32
from . import appearance, ownership
from .labels import LabelField, Rows


def check_evaluation(labels: LabelField, key: str) -> None:
    """Make sure that an evaluation of that key is one of ours.

    Raises
    ------
    DataError
        When a user has one.
    """
    dataset = labels.dataset
    if not dataset.has_evaluation(key):
        return
    config = dataset.get_evaluation_info(key).config
    if getattr(config, "pred_field", None) != labels.names.prediction:
        raise DataError(
            f"dataset {dataset.name!r} has an evaluation {key!r} that no cleaning put there.",
            "Rename it: dataset.rename_evaluation(key, new_key).",
        )


def save_evaluation(labels: LabelField, rows: Rows, probabilities: Float32, key: str) -> None:
    """Write predictions and evaluate them against the labels as they are now.

    Parameters
    ----------
    labels : LabelField
        What is cleaned.
    rows : Rows
        The predicted labels; those of weight 0 are left out of the evaluation.
    probabilities : float32 array of shape (n, K)
        Of the classes of `rows`.
    key : str
        Of the evaluation; one of ours that is there is replaced.
    """
    dataset, ours = labels.dataset, labels.names
    check_evaluation(labels, key)
    ownership.declare(
        dataset,
        ours.prediction,
        appearance.descriptions(ours)[ours.prediction],
        ftype=fo.EmbeddedDocumentField,
        embedded_doc_type=fo.Classification,
    )
    best = np.argmax(probabilities, axis=1)
    predictions = {
        label_id: fo.Classification(label=rows.classes[k], confidence=float(p[k]))
        for label_id, k, p in zip(rows.ids, best.tolist(), probabilities, strict=True)
    }
    labels.set_values(ours.prediction, predictions)
    counted = labels.samples.train_view().exists(ours.prediction).match(F(ours.weight) > 0)
    new_key = f"{key}_new"
    counted.evaluate_classifications(
        ours.prediction,
        gt_field=labels.name,
        eval_key=new_key,
        classes=list(rows.classes),
        progress=False,
    )
    # The old one goes when the new one is there.
    if dataset.has_evaluation(key):
        dataset.delete_evaluation(key)
    dataset.rename_evaluation(new_key, key)
