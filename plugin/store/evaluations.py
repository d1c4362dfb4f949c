"""Predictions as a FiftyOne evaluation, for the App's Model Evaluation panel."""

from __future__ import annotations

import fiftyone as fo
import numpy as np

from ..core.scoring.linalg import Float32
from . import names
from .samples import Rows, Samples


def evaluation_key(round_: int) -> str:
    """Return the key of the evaluation after a round; 0 is before the first."""
    return f"cleaning_after_{round_:03d}"


def save_evaluation(
    samples: Samples,
    rows: Rows,
    probabilities: Float32,
    key: str,
) -> None:
    """Write predictions and evaluate them against the labels as they are now.

    Parameters
    ----------
    samples : Samples
        What is cleaned.
    rows : Rows
        The predicted samples; those of weight 0 are left out of the evaluation.
    probabilities : float32 array of shape (n, K)
        Of the classes of `rows`.
    key : str
        Of the evaluation; one that is there is replaced.
    """
    dataset = samples.dataset
    dataset.add_sample_field(
        names.PREDICTION, fo.EmbeddedDocumentField, embedded_doc_type=fo.Classification
    )
    best = np.argmax(probabilities, axis=1)
    predictions = {
        sample_id: fo.Classification(label=rows.classes[k], confidence=float(p[k]))
        for sample_id, k, p in zip(rows.ids, best.tolist(), probabilities, strict=True)
    }
    samples.set_values(names.PREDICTION, predictions)
    if dataset.has_evaluation(key):
        dataset.delete_evaluation(key)
    counted = [i for i, weight in zip(rows.ids, rows.weights, strict=True) if weight > 0]
    view = dataset.select(counted)
    view.evaluate_classifications(
        names.PREDICTION,
        gt_field=samples.label_field,
        eval_key=key,
        classes=list(rows.classes),
        progress=False,
    )
