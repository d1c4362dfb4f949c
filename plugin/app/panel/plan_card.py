"""The panel's plan: where the next round is worth most, by what is on record of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fiftyone.operators import types

from ...core.review.scope import Scope
from .. import layout

if TYPE_CHECKING:
    from ...reports import Overview

_ROWS = 6  # classes that the card lists


def facts(seen: Overview) -> dict[str, Any] | None:
    """Return what the card and the next step say, as plain JSON; None where nothing is planned.

    The plan is the one on record: to make another, all labels of the queue would be read.
    """
    if seen.plan is None:
        return None
    found, proposal = seen.plan, seen.decision.proposal
    rest = len(found.classes[_ROWS:]) + found.more_classes
    return {
        "headline": found.headline,
        "rests_on": found.n_verdicts,
        "rows": [
            {
                "class": row.name,
                "found": f"{row.found_words} in {row.reviews}",
                "left": row.left_words,
                "reviews": str(row.reviews_for_most),
                "state": "exhausted" if row.exhausted else "",
            }
            for row in found.classes[:_ROWS]
        ],
        "more": f"And {rest} more classes: “Plan reviews” lists them." if rest else "",
        "proposal": None
        if proposal is None
        else {
            "scope": proposal.scope.value,
            "class": proposal.class_of_interest,
            "elsewhere": proposal.elsewhere,
            "text": " ".join(proposal.reasons),
        },
    }


def where(facts: dict[str, Any]) -> str:
    """Return what the plan proposes to review, in words; empty where it proposes nothing."""
    proposal = (facts.get("plan") or {}).get("proposal")
    if not proposal:
        return ""
    if proposal["scope"] == Scope.DATASET:
        return "the whole dataset"
    return f"the class “{proposal['class']}”"


def preset(facts: dict[str, Any]) -> dict[str, Any]:
    """Return what the form of a push starts with, so that it reviews what the plan proposes."""
    proposal = (facts.get("plan") or {}).get("proposal")
    if not proposal:
        return {}
    if proposal["scope"] == Scope.DATASET:
        return {"scope": proposal["scope"]}
    return {"scope": proposal["scope"], "class_of_interest": proposal["class"]}


def show(shelf: types.Object, plan: dict[str, Any] | None) -> None:
    """Lay the card out beside the charts."""
    if not plan or not plan["rows"]:
        return
    frame = shelf.v_stack("plan_frame", gap=0, columns=1, width="100%")
    verdicts = plan["rests_on"]
    rests = f"By the scores and {verdicts} verdicts." if verdicts else "By the scores; no verdict."
    frame.md(f"###### Plan\n\n{plan['headline']} {rests}", name="plan_title")
    frame.list("plan", types.Object(), view=layout.table(_COLUMNS), default=plan["rows"])
    if plan["more"]:
        frame.md(plan["more"], name="plan_more")


_COLUMNS = {
    "class": "Class",
    "found": "Wrong among the next",
    "left": "Wrong, all",
    "reviews": "Reviews for 9 in 10",
    "state": "",
}
