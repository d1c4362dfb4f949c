"""Find and fix wrong labels in image data: FiftyOne for the data, Label Studio for the eyes.

FiftyOne runs this file again on every registry build, so it stays thin: the public names are
imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .labelstudio.connection import LabelStudioServer
    from .loop import CleaningLoop

__all__ = ["CleaningLoop", "LabelStudioServer", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "CleaningLoop":
        from .loop import CleaningLoop

        return CleaningLoop
    if name == "LabelStudioServer":
        from .labelstudio.connection import LabelStudioServer

        return LabelStudioServer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
