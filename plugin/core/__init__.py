"""Pure maths and rules: arrays and plain objects in, arrays and plain objects out.

The names below are imported when they are first used: the App loads `core.errors` on every
registry build and needs no scikit-learn for that.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .judging.evaluation import evaluate_auroc
    from .scoring.importance import LabelScores, score_labels
    from .scoring.sampling import sample_coreset

__all__ = ["LabelScores", "evaluate_auroc", "sample_coreset", "score_labels"]

_HOME = {
    "LabelScores": ".scoring.importance",
    "evaluate_auroc": ".judging.evaluation",
    "sample_coreset": ".scoring.sampling",
    "score_labels": ".scoring.importance",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
