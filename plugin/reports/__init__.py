"""What the steps of the loop return: texts for people, facts for scripts, charts as files."""

from .texts import (
    CloseReport,
    CoresetReport,
    Coverage,
    EmbeddingReport,
    EvaluationReport,
    ImportanceReport,
    Overview,
    PullReport,
    Report,
    RoundReport,
)

__all__ = [
    "CloseReport",
    "CoresetReport",
    "Coverage",
    "EmbeddingReport",
    "EvaluationReport",
    "ImportanceReport",
    "Overview",
    "PullReport",
    "Report",
    "RoundReport",
]
