"""What somebody changed by hand while a round is open in the App: an answer, or a renamed class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..core.errors import RoundError
from ..core.review.ledger import next_time
from ..core.review.round import Round
from ..core.review.rounds import Rounds
from ..core.review.verdicts import Review
from ..desks.app import Answer, read_verdicts
from ..store.marks import adopt_edits
from ..store.rounds import now
from ..store.selection import Selection, Split
from .workspace import Workspace


@dataclass(frozen=True)
class HandEdits:
    """What stands on labels that wait for an answer and were shown with another class.

    Attributes
    ----------
    answers : dict of str to str
        Label id to the class that somebody gave it.
    renamed : dict of str to str
        Old name to new of classes that were renamed as a whole, which is nobody's answer.
    """

    answers: dict[str, str]
    renamed: dict[str, str]


def hand_edits(work: Workspace, rounds: Rounds, round_: Round) -> HandEdits:
    """Return what was changed by hand among the labels of a round that wait for an answer.

    Whoever edits one in FiftyOne's own annotation has answered. It records no user, and of a label
    that is confirmed it leaves no trace.
    """
    waiting = rounds.lost_unanswered(round_)
    asked = {item.sample_id: item.label for item in round_.batch if item.sample_id in waiting}
    found = work.labels.columns([work.labels.path], list(asked))
    # What one of several reviewers has said is there already, and is nobody's edit.
    said = {i: rounds.true_class(rounds.states[i]) for i in found if i in rounds.states}
    edited = {
        i: label for i, (label,) in found.items() if label not in (None, asked[i], said.get(i))
    }
    renamed = _renamed(work, asked, edited)
    answers = {i: label for i, label in edited.items() if renamed.get(asked[i]) != label}
    return HandEdits(answers, renamed)


def check_not_renamed(work: Workspace, round_: Round, edits: HandEdits) -> None:
    """Make sure that the classes a round asks about are still called so.

    Raises
    ------
    RoundError
        Names one that is not: what people answer about it would change nothing.
    """
    for old, new in edits.renamed.items():
        raise RoundError(
            f"round {round_.number} of {work.where} asks about labels {old!r}, and all that were "
            f"are {new!r} now, so nothing was saved.",
            f"Rename {new!r} back until the round is done, or close it (close_round) and begin "
            "another.",
        )


def _renamed(work: Workspace, asked: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Return old name to new of classes that were renamed: no label is called so any more.

    A single label that has changed was edited, though it was the last of its class.
    """
    became: dict[str, list[str]] = defaultdict(list)
    for label_id, label in now.items():
        became[asked[label_id]].append(label)
    return {
        old: new[0]
        for old, new in became.items()
        if len(new) > 1
        and len(set(new)) == 1
        and not work.labels.count(Selection(Split.EVERYTHING, (old,)), limit=1)
    }


def adopt(work: Workspace, round_: Round, edited: Iterable[str]) -> None:
    """Keep what labels had before somebody edited them, so that undo finds it."""
    asked = {item.sample_id: item.label for item in round_.batch}
    given = {i: asked[i] for i in edited}
    if given:
        adopt_edits(work.labels, given)


def as_reviews(rounds: Rounds, round_: Round, edited: Mapping[str, str]) -> list[Review]:
    """Return what was edited by hand as answers of the operating system's user."""
    verdicts: dict[str, Answer] = {i: ("relabel", label) for i, label in edited.items()}
    at = next_time(rounds.answers, now())
    classes = list(edited.values())
    return read_verdicts(verdicts, classes, round_=round_.number, reviewer=None, at=at)
