"""What operators and panel share: who we are, the loop that was chosen, and the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.review.scope import TRAIN_SPLIT
from . import settings

if TYPE_CHECKING:
    from ..desks.labelstudio.connection import LabelStudioServer
    from ..loop import CleaningLoop

PLUGIN = "@coreset/label-cleaning"
URL, KEY = "LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY"
# Title and text of the warning.
NOT_PERSISTENT = (
    "This dataset is not persistent",
    "FiftyOne deletes it, and all answers with it, when its session ends. To keep it, in Python: "
    "dataset.persistent = True",
)


def loop_for(ctx: Any, collection: Any | None = None) -> CleaningLoop:
    """Build the loop that the form's fields describe, on the dataset or on a chosen part of it."""
    from ..loop import CleaningLoop

    chosen = settings.resolve(ctx.dataset, ctx.params)
    return CleaningLoop(
        ctx.dataset if collection is None else collection,
        chosen.label_field,
        chosen.embeddings_field,
        test_tag=chosen.test_tag,
        split=ctx.params.get("split") or TRAIN_SPLIT,
    )


def server_for(ctx: Any) -> LabelStudioServer:
    """Connect to the Label Studio server that the secrets name."""
    from ..desks.labelstudio.connection import LabelStudioServer

    return LabelStudioServer(ctx.secret(URL), ctx.secret(KEY))


def show_queue(
    ctx: Any, loop: CleaningLoop, class_of_interest: str | None, limit: Any = None
) -> int:
    """Show a queue in the grid, with what speaks against each label; return its length.

    Without a class it is the queue of the whole dataset.
    """
    scope = "dataset" if class_of_interest is None else None
    view = loop.queue_view(class_of_interest, limit, scope=scope)
    ctx.ops.set_view(view=view)
    if hasattr(ctx.ops, "set_active_fields"):  # not in older versions of FiftyOne
        ctx.ops.set_active_fields(loop.queue_fields())
    return len(view)


def progress_for(ctx: Any) -> Any:
    """Return a callable (fraction, message) that shows progress where the operator runs."""
    return lambda fraction, message: ctx.set_progress(progress=fraction, label=message)
