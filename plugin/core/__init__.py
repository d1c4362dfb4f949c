"""Pure maths and rules: arrays and plain objects in, arrays and plain objects out.

The names below are imported when they are first used: the App loads `core.errors` on every
registry build and needs no scikit-learn for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .judging.evaluation import evaluate_auroc
    from .scoring.importance import LabelScores, score_labels
    from .scoring.sampling import sample_coreset

__all__ = ["LabelScores", "evaluate_auroc", "sample_coreset", "score_labels"]


def __getattr__(name: str) -> Any:
    if name == "evaluate_auroc":
        from .judging.evaluation import evaluate_auroc

        return evaluate_auroc
    if name in ("LabelScores", "score_labels"):
        from .scoring import importance

        return getattr(importance, name)
    if name == "sample_coreset":
        from .scoring.sampling import sample_coreset

        return sample_coreset
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
