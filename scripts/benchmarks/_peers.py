"""Other ways to rank labels for review: higher means more likely wrong. Arrays in, array out."""

from __future__ import annotations

from typing import Any

import numpy as np
from _options import use_own_database

N_FOLDS = 5


def out_of_fold(X: np.ndarray, labels: np.ndarray, C: float) -> np.ndarray:
    """Probabilities of a logistic regression that hasn't seen the row, shape (n, K)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.preprocessing import StandardScaler

    return cross_val_predict(
        LogisticRegression(C=C, max_iter=1000),
        StandardScaler().fit_transform(X),
        labels,
        cv=StratifiedKFold(N_FOLDS, shuffle=True, random_state=0),
        method="predict_proba",
    )


def self_confidence(X: np.ndarray, labels: np.ndarray, C: float) -> np.ndarray:
    return _cleanlab(X, labels, C, "self_confidence")


def normalized_margin(X: np.ndarray, labels: np.ndarray, C: float) -> np.ndarray:
    return _cleanlab(X, labels, C, "normalized_margin")


def find_label_issues(X: np.ndarray, labels: np.ndarray, C: float) -> np.ndarray:
    """Cleanlab's issues in its own order, then all other rows by self-confidence."""
    return _issues(out_of_fold(X, labels, C), labels)


def cleanlab_on(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Cleanlab's three scores of given out-of-fold probabilities."""
    scores = {method: _ranked(probabilities, labels, method) for method in CLEANLAB[:2]}
    return {**scores, "find_label_issues": _issues(probabilities, labels)}


def _cleanlab(X: np.ndarray, labels: np.ndarray, C: float, method: str) -> np.ndarray:
    return _ranked(out_of_fold(X, labels, C), labels, method)


def _ranked(probabilities: np.ndarray, labels: np.ndarray, method: str) -> np.ndarray:
    from cleanlab.rank import get_label_quality_scores

    return 1 - get_label_quality_scores(labels, probabilities, method=method)


def _issues(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    from cleanlab.filter import find_label_issues as find

    score = _ranked(probabilities, labels, "self_confidence")
    issues = find(labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    score[issues] = 2 - np.arange(len(issues)) / max(1, len(issues))
    return score


def mistakenness(X: np.ndarray, labels: np.ndarray, C: float) -> np.ndarray:
    """FiftyOne Brain's, of the same out-of-fold predictions."""
    use_own_database()
    import fiftyone as fo
    import fiftyone.brain as fob

    probabilities = out_of_fold(X, labels, C)
    dataset = fo.Dataset()
    try:
        dataset.add_samples(
            fo.Sample(
                filepath=f"{i}.jpg",
                given=fo.Classification(label=str(label)),
                predicted=fo.Classification(label=str(row.argmax()), confidence=row.max()),
            )
            for i, (label, row) in enumerate(zip(labels, probabilities, strict=True))
        )
        fob.compute_mistakenness(dataset, "predicted", label_field="given")
        return np.array(dataset.values("mistakenness"))
    finally:
        dataset.delete()


def two_classes(X: np.ndarray, labels: np.ndarray, C: float) -> np.ndarray:
    """The published method's reduction: each class scored beside the one it is most mixed up with.

    The rival of class c is the given class of most rows that are predicted as c but given another.
    """
    from coreset_cleaning.core import score_labels

    n_classes = int(labels.max()) + 1
    predicted = out_of_fold(X, labels, C).argmax(axis=1)
    confusion = np.zeros((n_classes, n_classes))
    np.add.at(confusion, (labels, predicted), 1)
    np.fill_diagonal(confusion, -1)
    score = np.zeros(len(labels))
    for c in range(n_classes):
        rows = np.flatnonzero((labels == c) | (labels == confusion[:, c].argmax()))
        pair = (labels[rows] == c).astype(int)
        importance = score_labels(X[rows], pair).importance
        score[rows[pair == 1]] = importance[pair == 1]
    return score


def knn_disagreement(X: np.ndarray, labels: np.ndarray, C: float) -> np.ndarray:
    """Share of the 30 nearest neighbours by cosine with another label, by exhaustive search."""
    from sklearn.neighbors import NearestNeighbors

    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    neighbors = NearestNeighbors(n_neighbors=31, algorithm="brute").fit(unit)
    lists = neighbors.kneighbors(unit, return_distance=False)
    other = labels[lists] != labels[:, None]
    other[lists == np.arange(len(X))[:, None]] = False
    return other.mean(axis=1)


def random(X: np.ndarray, labels: np.ndarray, C: float) -> np.ndarray:
    return np.random.default_rng(0).random(len(X))


def ours(
    X: np.ndarray | None, labels: np.ndarray, weight: np.ndarray | None = None, **told: Any
) -> Any:
    from coreset_cleaning.core import score_labels

    return score_labels(X, labels, weight, **told)


PEERS = {
    "self_confidence": self_confidence,
    "normalized_margin": normalized_margin,
    "find_label_issues": find_label_issues,
    "mistakenness": mistakenness,
    "two_classes": two_classes,
    "knn_disagreement": knn_disagreement,
    "random": random,
}
CLEANLAB = ("self_confidence", "normalized_margin", "find_label_issues")
