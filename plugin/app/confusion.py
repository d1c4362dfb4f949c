"""The confusion matrix that was measured last: found by an operator, drawn by the panel."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import settings

# The heat map stays readable and its trace small: only the most confused classes are drawn.
SHOWN_CLASSES = 15
_CONFUSION = "confusion"


def save_confusion(dataset: Any, label_field: str, pair: Any) -> None:
    """Keep a confusion matrix for the panel, cut down to the most confused classes."""
    counts = np.asarray(pair.matrix, float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-12)
    wrong = shares - np.diag(np.diag(shares))
    involved = np.maximum(wrong.max(axis=0), wrong.max(axis=1))
    kept = np.sort(np.argsort(-involved, kind="stable")[:SHOWN_CLASSES])
    settings.store(dataset).set(
        _CONFUSION,
        {
            "label_field": label_field,
            "classes": [pair.classes[i] for i in kept],
            "counts": counts[np.ix_(kept, kept)].tolist(),
            "shares": shares[np.ix_(kept, kept)].tolist(),
            "class_of_interest": pair.class_of_interest,
            "rival": pair.rival,
            "rate": float(pair.rate),
            "n_classes": len(pair.classes),
        },
    )


def load_confusion(dataset: Any, label_field: str) -> dict[str, Any] | None:
    """Return the confusion matrix kept for this label field, or None."""
    kept = settings.store(dataset).get(_CONFUSION)
    return kept if kept and kept["label_field"] == label_field else None
