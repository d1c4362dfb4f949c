"""What the steps of the loop return: texts for people, facts for scripts, charts as files."""

from .exports import ExportReport
from .report import Report
from .rounds import CloseReport, PullReport, RoundReport
from .scoring import CoresetReport, Coverage, EmbeddingReport, ImportanceReport
from .standing import EvaluationReport, Overview

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
