"""Operator: what is missing on this machine, and how to fix it."""

from __future__ import annotations

from typing import Any

from fiftyone.operators import types

from .. import settings
from ..context import KEY, URL
from .base import Answer, LoopOperator, said_missing

# How a finding is marked, by whether it is all right and whether there is something to do.
_MARKS = {(True, False): "✓", (True, True): "⚠", (False, True): "✗"}


class CheckSetup(LoopOperator):
    """Check versions, database, server, key and weights."""

    name = "check_setup"
    label = "Label cleaning: check the setup"
    description = (
        "Find out what is missing on this machine or server before or after something fails, "
        "with the fix"
    )
    icon = "health_and_safety"
    risk = "LOW"
    changes_samples = False

    def resolve_input(self, ctx: Any) -> types.Property:
        """Ask for nothing: a dataset without labels can be checked as well."""
        return types.Property(types.Object(), view=types.View(label=self.label))

    def execute(self, ctx: Any) -> dict[str, Any]:
        """Check, without remembering anything."""
        try:
            answer = self.run(ctx)
        except ModuleNotFoundError as error:
            return said_missing(error)
        return {"text": answer.text, "next": answer.next, "url": "", "report": answer.report}

    def run(self, ctx: Any) -> Answer:
        """Check."""
        from ...doctor import check_setup

        name = ctx.dataset.name if ctx.dataset is not None else None
        fields = settings.label_fields(ctx.dataset) if name else []
        chosen = {}
        if fields:
            fit = settings.resolve(ctx.dataset)
            chosen = {"label_field": fit.label_field, "embeddings_field": fit.embeddings_field}
        findings = check_setup(name, url=ctx.secret(URL), api_key=ctx.secret(KEY), **chosen)
        lines = [
            f"- {_MARKS[f['ok'], bool(f['fix'])]} **{f['name']}**: {f['detail']}"
            + (f" *Fix:* {f['fix']}" if f["fix"] else "")
            for f in findings
        ]
        wrong = sum(not f["ok"] for f in findings)
        following = f"fix the {wrong} points marked ✗." if wrong else "everything is in place."
        return Answer("\n".join(lines), following, report={"findings": findings})
