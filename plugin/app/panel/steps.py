"""The panel's words: what a state of the loop is called, and which button is the next step."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ...core.errors import sentence
from ...core.review.scope import Scope
from ...core.review.states import RoundState
from ...desks.app import AppDesk
from ..context import NOT_PERSISTENT
from ..server import ServerState
from . import plan_card

STEPS = ("Embeddings", "Importance", "Review", "Evaluation")


class Stage(str, Enum):
    """Where a dataset stands in the loop, from nothing to done."""

    LOADING = "loading"
    ERROR = "error"
    NO_DATASET = "no_dataset"
    NO_SAMPLES = "no_samples"
    NO_IMAGES = "no_images"
    NO_LABELS = "no_labels"
    NO_EMBEDDINGS = "no_embeddings"
    NO_IMPORTANCE = "no_importance"
    READY = "ready"
    OPEN = "open"
    PULLED = "pulled"
    GO_ON = "go_on"
    LEFT = "left"
    DONE = "done"


@dataclass(frozen=True)
class Step:
    """One step of the loop as the panel shows it.

    Attributes
    ----------
    position : int
        Index in the row of steps.
    title, text : str
        What is so and what to do.
    button, operator : str
        The primary button and the operator whose form it opens.
    needs_server : bool
        Whether the button is of no use without Label Studio.
    changes_labels : bool
        Whether the button is of no use where the labels are read-only.
    preset : dict
        What the form starts with.
    """

    position: int
    title: str
    text: str
    button: str
    operator: str
    needs_server: bool = False
    changes_labels: bool = False
    preset: dict[str, Any] = field(default_factory=dict)


# What is shown instead of the loop, by step: (title, text).
MESSAGES = {
    Stage.LOADING: ("Reading the dataset …", ""),
    Stage.ERROR: ("Something is not right", ""),
    Stage.NO_DATASET: ("No dataset is open", "Choose one at the top of the window."),
    Stage.NO_SAMPLES: (
        "This dataset is empty",
        "Add images with labels first, then press Refresh.",
    ),
    Stage.NO_IMAGES: (
        "This dataset does not hold images",
        "The loop cleans the labels of single images. Of a grouped dataset, clone the slice with "
        "the images (`dataset.select_group_slices(…).clone()`) and open the clone.",
    ),
    Stage.NO_LABELS: (
        "This dataset has no labels to clean",
        "The loop cleans a sample field of type Classification. Import the labels first, then "
        "press Refresh.",
    ),
}

SERVER_TITLES = {
    ServerState.NO_KEY: "No Label Studio server is set",
    ServerState.REFUSED: "Label Studio does not accept the key",
    ServerState.DOWN: "Label Studio does not answer",
}


def next_step(facts: dict[str, Any]) -> Step:
    """Choose the next sensible step."""
    name = Stage(facts["step"])
    standing = [r for r in facts.get("rounds", []) if r["state"] != RoundState.UNDONE.value]
    last = standing[-1] if standing else {}
    if name is Stage.NO_EMBEDDINGS:
        return Step(
            0,
            "Start with embeddings",
            "A pre-trained network turns every image into a vector. It takes a while; what is "
            "done is kept when you stop it.",
            "Compute embeddings",
            "compute_embeddings",
        )
    if name is Stage.NO_IMPORTANCE:
        return Step(
            1,
            "Score the labels",
            "How much does each label sway a classifier? The highest are looked at first.",
            "Compute importance",
            "compute_importance",
        )
    if name is Stage.READY and not facts["confusion"]:
        return Step(
            2,
            "Which class to clean?",
            "The confusion matrix on held-out data shows where labels go wrong.",
            "Find confused classes",
            "find_confused_classes",
        )
    planned = plan_card.where(facts)
    preset = plan_card.preset(facts)
    if name is Stage.READY:
        what = planned or f"the class “{facts['confusion']['class_of_interest']}”"
        why = f"{facts['plan']['proposal']['text']} " if planned else ""
        return Step(
            2,
            f"Review {what}",
            f"{why}Its most suspicious samples go to Label Studio as round {facts['next_round']}.",
            f"Push round {facts['next_round']}",
            "push_round",
            needs_server=True,
            changes_labels=True,
            preset=preset,
        )
    if name is Stage.OPEN:
        last = next(r for r in reversed(standing) if r["state"] == RoundState.OPEN.value)
        if last["desk"] == AppDesk.name:
            return Step(
                2,
                f"Round {last['round']} is in review here",
                f"It shows {_shown(last)}. {last['reviewed']} of {last['size']} are answered. "
                "Go through it in the grid, a page of images at a time; close it when nobody is "
                "going to answer the rest.",
                "Go on reviewing",
                "review_here",
                changes_labels=True,
            )
        return Step(
            2,
            f"Round {last['round']} is in review",
            f"It shows {_shown(last)}. {last['reviewed']} of {last['size']} answered at the last "
            "pull. Send reviewers the link to Label Studio; pull as often as you like. Skipped "
            "images keep the round open: close it when nobody is going to answer the rest.",
            "Pull reviews",
            "pull_reviews",
            needs_server=True,
            changes_labels=True,
        )
    if name is Stage.PULLED:
        return Step(
            3,
            f"Round {last['round']} is answered",
            f"{last['errors']} of {last['reviewed']} labels were wrong. What has it brought?",
            "Evaluate",
            "evaluate_round",
        )
    reasons = " ".join(facts["reasons"])
    if name in (Stage.GO_ON, Stage.LEFT):
        title = "Another round is worth it" + (f": review {planned}" if planned else "")
        if name is Stage.LEFT:
            title = _title_of_what_is_left(facts, last)
        if not _at_label_studio(facts):
            # Who reviews here needs no server.
            return Step(
                2, title, reasons, "Review here", "review_here", changes_labels=True, preset=preset
            )
        return Step(
            2,
            title,
            reasons,
            f"Push round {facts['next_round']}",
            "push_round",
            needs_server=True,
            changes_labels=True,
            preset=preset,
        )
    return Step(4, "Done: stop here", reasons, "Export the audit", "export_audit")


def _title_of_what_is_left(facts: dict[str, Any], last: dict[str, Any]) -> str:
    """Return the title after a stop that leaves wrong labels behind."""
    if not facts["plan"]["proposal"]["elsewhere"]:
        return "AUROC stands still, but wrong labels are left"
    here = "Done here" if last["scope"] == Scope.DATASET else f"“{last['class']}” is done"
    return f"{here}: review {plan_card.where(facts)}"


def _shown(round_: dict[str, Any]) -> str:
    """Return what a round was drawn from, in words."""
    if round_["scope"] == Scope.DATASET:
        return "the most suspicious labels of the whole dataset"
    return f"what is labeled “{round_['class']}”"


_BEFORE_A_ROUND = (Stage.READY, Stage.GO_ON, Stage.LEFT, Stage.DONE)


def secondary(facts: dict[str, Any], step: Step) -> list[tuple[str, str, str]]:
    """Return what else makes sense now, as (button, label, operator)."""
    stage = Stage(facts["step"])
    scored = stage not in (Stage.NO_EMBEDDINGS, Stage.NO_IMPORTANCE)
    free = not facts["locked"]
    offers = [
        ("pull", "Pull reviews", "pull_reviews", _at_label_studio(facts) and free),
        ("push", "Push a round", "push_round", stage is Stage.DONE and free),
        ("audit", "Export the audit", "export_audit", stage is Stage.LEFT),
        ("plan", "Plan reviews", "plan_reviews", stage in _BEFORE_A_ROUND),
        ("here", "Review here", "review_here", stage in _BEFORE_A_ROUND and free),
        ("close", "Close the round", "close_round", stage is Stage.OPEN and free),
        ("evaluate", "Evaluate", "evaluate_round", scored and stage is not Stage.OPEN),
        ("confused", "Find confused classes", "find_confused_classes", scored),
        ("importance", "Compute importance", "compute_importance", scored),
        ("check", "Check setup", "check_setup", True),
    ]
    return [
        (n, label, op)
        for n, label, op, makes_sense in offers
        if makes_sense and op != step.operator
    ]


def _at_label_studio(facts: dict[str, Any]) -> bool:
    return any(row["desk"] != AppDesk.name for row in facts.get("rounds", []))


def blocked(facts: dict[str, Any], step: Step) -> tuple[str, str] | None:
    """Return title and text of what keeps the next step from being taken, if anything does."""
    if step.changes_labels and facts["locked"]:
        field = facts["label_field"]
        return (
            f"The field “{field}” is read-only",
            f"Looking is possible, changing labels is not. To unlock it, in Python: field = "
            f"dataset.get_field({field!r}); field.read_only = False; field.save()",
        )
    # A server that has not answered yet may be all right: the button's form will tell.
    title = SERVER_TITLES.get(ServerState(facts["server"]["state"]))
    if step.needs_server and title:
        return title, _words(facts["server"])
    return None


def warnings(facts: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Return title and text of what would be lost or left out in silence, by name."""
    found = {}
    if not facts["persistent"]:
        found["not_persistent"] = NOT_PERSISTENT
    if facts.get("left_out"):
        found["left_out"] = ("Some samples are left out", _words(facts["left_out"]))
    for problem in facts.get("data", ()):
        key = f"data_{problem['name'].replace(' ', '_')}"
        words = _words({"what": problem["detail"], "fix": problem["fix"]})
        found[key] = (f"Before the first round: {problem['name']}", words)
    return found


def _words(problem: dict[str, str]) -> str:
    """Return what is wrong and how to fix it as one text."""
    return " ".join(sentence(problem[part]) for part in ("what", "fix") if problem[part])


def failure(what: str, fix: str) -> dict[str, Any]:
    """Return what the panel shows of a dataset that can't be read."""
    text = sentence(what) + (f"\n\n**Fix:** {sentence(fix)}" if fix else "")
    return {"step": Stage.ERROR.value, "text": text}
