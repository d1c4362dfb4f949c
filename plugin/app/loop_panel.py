"""What all panels share: they draw what an event has read, and nothing older."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import fiftyone.operators as foo


class LoopPanel(foo.Panel):  # type: ignore[misc]
    """A panel that is drawn by those of its events that read something.

    The App sends each event with the state that the panel had when the event began, and FiftyOne
    draws a panel from that after every event. So an event that is overtaken, such as that of a
    timer by a refresh, would put back what the panel showed before.
    """

    _one_reading: threading.Lock

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # FiftyOne makes panels anew at every request: what they share stands in the class.
        cls._one_reading = threading.Lock()

    def execute(self, ctx: Any) -> Any:
        """Answer an event."""
        event = ctx.params.get("__method__")
        if event in (None, "on_startup"):
            return super().execute(ctx)
        ctx.event_args = ctx.params.get("event_args", {})
        return getattr(self, event)(ctx)

    def draw(self, ctx: Any, name: str, read: Callable[[], Any]) -> None:
        """Read a part of the panel's state, and lay the panel out.

        Two readings that overlap could end the other way round, and the older one would stay. So
        there is one at a time.

        Parameters
        ----------
        ctx : fiftyone.operators.executor.ExecutionContext
        name : str
            The part.
        read : callable
            Returns it, as plain JSON.
        """
        with self._one_reading:
            ctx.panel.set_state(name, read())
            ctx.ops.show_panel_output(self.render(ctx))
