"""Predictions as a FiftyOne evaluation, for the App's Model Evaluation panel."""

from __future__ import annotations

import fiftyone as fo
import numpy as np
from fiftyone import ViewField as F

from ..core.scoring.linalg import Float32
from . import appearance, ownership
from .label_rows import Rows
from .labels import LabelField


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
    counted = labels.samples.train_view().exists(ours.prediction).match(F(ours.weight) != 0)
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
