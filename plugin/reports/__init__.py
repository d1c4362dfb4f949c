"""What the steps of the loop return: texts for people, facts for scripts, charts as files."""

from .exports import ExportReport
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
    "ExportReport",
    "ImportanceReport",
    "Overview",
    "PullReport",
    "Report",
    "RoundReport",
]
