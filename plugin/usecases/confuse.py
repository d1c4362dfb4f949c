"""The use case "which two classes are confused most", and the queue of a class."""

from __future__ import annotations

from typing import Any

from ..core.judging.confusion import ConfusedPair, predict_confusion
from ..store import views
from .workspace import Workspace


def find_confused_pair(work: Workspace) -> ConfusedPair:
    """Return the two classes that are confused most often; see `CleaningLoop`."""
    train, test = work.labels.train_rows(), work.labels.test_rows()
    return predict_confusion(
        train.embeddings,
        train.labels,
        train.classes,
        sample_weight=train.weights,
        test_embeddings=None if test is None else test.embeddings,
        test_labels=None if test is None else test.labels,
        random_state=work.random_state,
    )


def queue_view(work: Workspace, class_of_interest: str, limit: int | None) -> Any:
    """Return the unreviewed labels of a class, most important first, and save that view."""
    work.labels.check_names([class_of_interest])
    view = views.queue_view(work.labels, class_of_interest, limit)
    views.save_queue_view(work.labels, class_of_interest)
    return view
