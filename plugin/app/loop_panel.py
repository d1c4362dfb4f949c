"""What all panels share: they draw what an event has read, and nothing older."""

from __future__ import annotations

from typing import Any

import fiftyone.operators as foo


class LoopPanel(foo.Panel):  # type: ignore[misc]
    """A panel that is drawn by those of its events that call `draw`.

    The App sends each event with the state that the panel had when the event began, and FiftyOne
    draws a panel from that after every event. So an event that is overtaken, such as that of a
    timer by a refresh, would put back what the panel showed before.
    """

    def execute(self, ctx: Any) -> Any:
        """Answer an event."""
        event = ctx.params.get("__method__")
        if event in (None, "on_startup"):
            return super().execute(ctx)
        ctx.event_args = ctx.params.get("event_args", {})
        return getattr(self, event)(ctx)

    def draw(self, ctx: Any, **state: Any) -> None:
        """Take over what was read, and lay it out.

        Parameters
        ----------
        ctx : fiftyone.operators.executor.ExecutionContext
        **state
            Parts of the panel's state.
        """
        ctx.panel.set_state(state)
        ctx.ops.show_panel_output(self.render(ctx))
