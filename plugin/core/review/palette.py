"""The colour of each outcome, the same in the grid, in the panel and wherever one is shown."""

from __future__ import annotations

from .verdicts import Outcome

OUTCOME_COLORS = {
    Outcome.KEPT: "#3fb68b",
    Outcome.RELABELED: "#ff6d04",
    Outcome.DELETED: "#e05563",
    Outcome.UNSURE: "#8a8f98",
    Outcome.CONFLICT: "#4c9be8",
}
