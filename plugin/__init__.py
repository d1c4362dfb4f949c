"""Find and fix wrong labels in image data: FiftyOne for the data, Label Studio for the eyes.

FiftyOne runs this file again on every registry build, so it stays thin: the public names are
imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .desks.app import AppDesk
    from .desks.labelstudio.connection import LabelStudioServer
    from .loop import CleaningLoop

__all__ = ["AppDesk", "CleaningLoop", "LabelStudioServer", "__version__", "register"]


def __getattr__(name: str) -> Any:
    if name == "CleaningLoop":
        from .loop import CleaningLoop

        return CleaningLoop
    if name == "AppDesk":
        from .desks.app import AppDesk

        return AppDesk
    if name == "LabelStudioServer":
        from .desks.labelstudio.connection import LabelStudioServer

        return LabelStudioServer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def register(plugin: Any) -> None:
    """Register operators and panel; FiftyOne calls it on every registry build.

    Parameters
    ----------
    plugin : fiftyone.plugins.context.PluginContext
    """
    from .app.operators.check_setup import CheckSetup
    from .app.operators.close_round import CloseRound
    from .app.operators.compute_embeddings import ComputeEmbeddings
    from .app.operators.compute_importance import ComputeImportance
    from .app.operators.evaluate_round import EvaluateRound
    from .app.operators.export_audit import ExportAudit
    from .app.operators.export_cleaned import ExportCleaned
    from .app.operators.find_confused_classes import FindConfusedClasses
    from .app.operators.name_marked import NameMarked
    from .app.operators.open_label_cleaning import OpenLabelCleaning
    from .app.operators.open_review_queue import OpenReviewQueue
    from .app.operators.plan_reviews import PlanReviews
    from .app.operators.pull_reviews import PullReviews
    from .app.operators.push_round import PushRound
    from .app.operators.review_here import ReviewHere
    from .app.operators.sample_coreset import SampleCoreset
    from .app.operators.undo_round import UndoRound
    from .app.panel import LabelCleaningPanel
    from .app.review_page import ReviewPagePanel
    from .app.review_sample import ReviewSamplePanel

    for operator in (
        CheckSetup,
        CloseRound,
        ComputeEmbeddings,
        ComputeImportance,
        EvaluateRound,
        ExportAudit,
        ExportCleaned,
        FindConfusedClasses,
        NameMarked,
        OpenLabelCleaning,
        OpenReviewQueue,
        PlanReviews,
        PullReviews,
        PushRound,
        ReviewHere,
        SampleCoreset,
        UndoRound,
        LabelCleaningPanel,
        ReviewPagePanel,
        ReviewSamplePanel,
    ):
        plugin.register(operator)
