"""Pure maths and rules: arrays and plain objects in, arrays and plain objects out.

The names below are imported when they are first used: the App loads `core.errors` on every
registry build and needs no scikit-learn for that.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .evaluation import evaluate_auroc
    from .importance import LabelScores, score_labels
    from .sampling import sample_coreset

__all__ = ["LabelScores", "evaluate_auroc", "sample_coreset", "score_labels"]

_HOME = {
    "LabelScores": ".importance",
    "evaluate_auroc": ".evaluation",
    "sample_coreset": ".sampling",
    "score_labels": ".importance",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
