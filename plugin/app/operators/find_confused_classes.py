"""Operator: the two classes that are confused most often."""

from __future__ import annotations

from typing import Any

import numpy as np
from fiftyone.operators import types

from ..context import loop_for
from .base import Answer, LoopOperator
from .fields import add_embeddings_field, add_label_field, add_test_tag

_SHOWN_PAIRS = 5


class FindConfusedClasses(LoopOperator):
    """Measure the confusion matrix and name its largest off-diagonal cell."""

    name = "find_confused_classes"
    label = "Label cleaning: find confused classes"
    description = (
        "Measure the confusion matrix, and name the class that holds most of another class's "
        "samples"
    )
    icon = "compare_arrows"
    risk = "LOW"
    changes_samples = False

    def form(self, ctx: Any, inputs: types.Object) -> None:
        """Ask for the fields."""
        add_label_field(ctx, inputs)
        add_embeddings_field(ctx, inputs)
        add_test_tag(ctx, inputs)

    def run(self, ctx: Any) -> Answer:
        """Measure."""
        from ..confusion import save_confusion

        loop = loop_for(ctx)
        pair = loop.find_confused_pair()
        if loop.is_scored():
            loop.queue_view(pair.class_of_interest)  # saves it
        save_confusion(ctx.dataset, loop.label_field, pair)
        lines = [
            f"- {true} taken for **{predicted}**: {rate:.1%}"
            for true, predicted, rate in most_confused(pair.matrix, pair.classes, _SHOWN_PAIRS)
        ]
        return Answer(
            f"Class of interest: **{pair.class_of_interest}** (rival {pair.rival}).\n\n"
            + "\n".join(lines),
            f"open the review queue of {pair.class_of_interest}, or push a round.",
            view=loop.queue_view_name(pair.class_of_interest) if loop.is_scored() else "",
            report={
                "class_of_interest": pair.class_of_interest,
                "rival": pair.rival,
                "rate": pair.rate,
            },
        )


def most_confused(matrix: Any, classes: Any, n: int) -> list[tuple[str, str, float]]:
    """Return the n largest off-diagonal shares of a true class as (true, predicted, share)."""
    counts = np.asarray(matrix, float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-12)
    np.fill_diagonal(shares, 0)
    order = np.argsort(shares, axis=None)[::-1][:n]
    cells = [np.unravel_index(position, shares.shape) for position in order]
    return [(classes[t], classes[p], float(shares[t, p])) for t, p in cells if shares[t, p] > 0]
