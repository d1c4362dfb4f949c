"""The panel's words: what a state of the loop is called, and which button is the next step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import facts as facts_of

STEPS = ("Embeddings", "Importance", "Review", "Evaluation")


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
    """

    position: int
    title: str
    text: str
    button: str
    operator: str
    needs_server: bool = False
    changes_labels: bool = False


# What is shown instead of the loop, by step: (title, text).
MESSAGES = {
    "loading": ("Reading the dataset …", ""),
    "error": ("Something is not right", ""),
    facts_of.NO_DATASET: ("No dataset is open", "Choose one at the top of the window."),
    facts_of.NO_SAMPLES: (
        "This dataset is empty",
        "Add images with labels first, then press Refresh.",
    ),
    facts_of.NO_IMAGES: (
        "This dataset does not hold images",
        "The loop cleans the labels of single images. Of a grouped dataset, clone the slice with "
        "the images (`dataset.select_group_slices(…).clone()`) and open the clone.",
    ),
    facts_of.NO_LABELS: (
        "This dataset has no labels to clean",
        "The loop cleans a sample field of type Classification. Import the labels first, then "
        "press Refresh.",
    ),
}

SERVER_TITLES = {
    "no_key": "No Label Studio server is set",
    "refused": "Label Studio does not accept the key",
    "down": "Label Studio does not answer",
}


def next_step(facts: dict[str, Any]) -> Step:
    """Choose the next sensible step."""
    name, rounds = facts["step"], facts.get("rounds", [])
    last = rounds[-1] if rounds else {}
    if name == facts_of.NO_EMBEDDINGS:
        return Step(
            0,
            "Start with embeddings",
            "A pre-trained network turns every image into a vector. It takes a while; what is "
            "done is kept when you stop it.",
            "Compute embeddings",
            "compute_embeddings",
        )
    if name == facts_of.NO_IMPORTANCE:
        return Step(
            1,
            "Score the labels",
            "How much does each label sway a classifier? The highest are looked at first.",
            "Compute importance",
            "compute_importance",
        )
    if name == facts_of.READY and not facts["confusion"]:
        return Step(
            2,
            "Which class to clean?",
            "The confusion matrix on held-out data shows where labels go wrong.",
            "Find confused classes",
            "find_confused_classes",
        )
    if name == facts_of.READY:
        return Step(
            2,
            f"Review the class “{facts['confusion']['class_of_interest']}”",
            "Its most suspicious samples go to Label Studio as the first round.",
            "Push round 1",
            "push_round",
            needs_server=True,
            changes_labels=True,
        )
    if name == facts_of.OPEN:
        return Step(
            2,
            f"Round {last['round']} is in review",
            f"{last['reviewed']} of {last['size']} answered at the last pull. Send reviewers the "
            "link to Label Studio; pull as often as you like.",
            "Pull reviews",
            "pull_reviews",
            needs_server=True,
            changes_labels=True,
        )
    if name == facts_of.PULLED:
        errors = last["relabeled"] + last["deleted"]
        return Step(
            3,
            f"Round {last['round']} is answered",
            f"{errors} of {last['reviewed']} labels were wrong. What has it brought?",
            "Evaluate",
            "evaluate_round",
        )
    reasons = " ".join(facts["reasons"])
    if name == facts_of.GO_ON:
        return Step(
            2,
            "Another round is worth it",
            reasons,
            f"Push round {last['round'] + 1}",
            "push_round",
            needs_server=True,
            changes_labels=True,
        )
    return Step(4, "Done: stop here", reasons, "Export the audit", "export_audit")


def secondary(facts: dict[str, Any], step: Step) -> list[tuple[str, str, str]]:
    """Return what else makes sense now, as (button, label, operator)."""
    scored = facts["step"] not in (facts_of.NO_EMBEDDINGS, facts_of.NO_IMPORTANCE)
    free = not facts["locked"]
    offers = [
        ("pull", "Pull reviews", "pull_reviews", bool(facts.get("rounds")) and free),
        ("push", "Push a round", "push_round", facts["step"] == facts_of.DONE and free),
        ("close", "Close the round", "close_round", facts["step"] == facts_of.OPEN and free),
        ("evaluate", "Evaluate", "evaluate_round", scored and facts["step"] != facts_of.OPEN),
        ("confused", "Find confused classes", "find_confused_classes", scored),
        ("importance", "Compute importance", "compute_importance", scored),
        ("check", "Check setup", "check_setup", True),
    ]
    return [
        (n, label, op)
        for n, label, op, makes_sense in offers
        if makes_sense and op != step.operator
    ]
