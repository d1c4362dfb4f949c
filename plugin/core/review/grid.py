"""Review by the page in a grid of images: which labels a page shows, and what its marks mean.

Nothing about pages is kept. What has no answer yet is what comes next, so whoever closes the App,
or comes back to it at another machine, goes on where they were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ..errors import RoundError
from .ledger import AnswerKey, Event, EventKind, current_answers
from .pages import Page
from .round import Round
from .rounds import Rounds
from .verdicts import Outcome, Review, Verdict, settle


class Mark(str, Enum):
    """What a person did to an image of the page; the values are the grid's own words.

    An image without a mark was looked at and is right.
    """

    SUGGESTION = "default"  # a click: wrong, and the suggested class is right
    OTHER = "alt"  # Alt+click: wrong in another way, which is asked for


@dataclass(frozen=True)
class GridPage:
    """The next labels of a round, as many as fit on the screen.

    Attributes
    ----------
    round : int
    label_ids : tuple of str
        In the order of the round; empty when nothing is left.
    suggestions : dict of str to str
        Label id to the class that a click stands for.
    number, of : int
        Which page of how many of this size, from 1.
    answered, total : int
        Labels of the round.
    outcomes : dict of str to int
        Outcome to how many of the round's labels came to it.
    """

    round: int
    label_ids: tuple[str, ...]
    suggestions: dict[str, str]
    number: int
    of: int
    answered: int
    total: int
    outcomes: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return the page as JSON-able values."""
        return {**vars(self), "label_ids": list(self.label_ids)}


@dataclass(frozen=True)
class Question:
    """One label of a round that is open in the App, with what helps to judge it.

    Attributes
    ----------
    round : int
    label_id : str
    image : str
        Path of its image; of an object, a `data:` address with its picture.
    label, suggested_label : str
        The given class, and the most probable other one.
    suggested_probability : float
    disagreement : float or None
        Share of the most similar images that carry another label.
    answered : bool
        Whether it has an answer already; another one replaces it.
    previous, next : str or None
        Ids of the label before it in the round, and of the next one that waits for an answer.
    examples : dict of str to list of str
        Class to the same of labels that are surely right.
    of_object : bool
        Whether its box may be wrong, too.
    """

    round: int
    label_id: str
    image: str
    label: str
    suggested_label: str
    suggested_probability: float
    disagreement: float | None
    answered: bool
    previous: str | None
    next: str | None
    examples: dict[str, list[str]]
    of_object: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the question as JSON-able values."""
        return dict(vars(self))


def around(order: Sequence[str], waiting: set[str], label_id: str) -> tuple[str | None, str | None]:
    """Return the label before this one, and the next that waits: behind it, else from the start."""
    place = order.index(label_id)
    later = [*order[place + 1 :], *order[:place]]
    return (
        order[place - 1] if place else None,
        next((other for other in later if other in waiting), None),
    )


def grid_page(rounds: Rounds, round_: Round, size: int, present: set[str]) -> GridPage:
    """Return the first labels of a round that nobody has answered yet.

    Parameters
    ----------
    rounds : Rounds
    round_ : Round
    size : int
        Labels on a page, at least 1.
    present : set of str
        Labels of the round that the dataset still has.
    """
    waiting = rounds.lost_unanswered(round_) & present
    items = [item for item in round_.batch if item.sample_id in waiting]
    shown, total = items[:size], len(present & round_.sample_ids)
    pages, left = -(-total // size), -(-len(items) // size)
    found = Counter(state.outcome for state in rounds.judged(round_).values())
    return GridPage(
        round=round_.number,
        label_ids=tuple(item.sample_id for item in shown),
        suggestions={item.sample_id: item.suggested_label for item in shown},
        number=min(pages, pages - left + 1),
        of=pages,
        answered=total - len(items),
        total=total,
        outcomes={outcome.value: found[outcome] for outcome in Outcome if found[outcome]},
    )


def asked_for(label_ids: Sequence[str], marks: Mapping[str, Mark]) -> list[str]:
    """Return the labels of a page that were marked as wrong without the suggestion."""
    return [i for i in label_ids if marks.get(i) is Mark.OTHER]


def read_page(
    label_ids: Sequence[str],
    suggestions: Mapping[str, str],
    marks: Mapping[str, Mark],
    others: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the verdict about every label of a page, as `record_verdicts` takes them.

    Parameters
    ----------
    label_ids : sequence of str
        Of the page.
    suggestions : mapping of str to str
        Label id to the suggested class.
    marks : mapping of str to Mark
        Label id to what was done to it.
    others : mapping of str to verdict
        About the labels that `asked_for` names.

    Raises
    ------
    RoundError
        When a mark is on a label that is not on the page, or an answer is missing.
    """
    strange = sorted(set(marks) - set(label_ids))
    if strange:
        raise RoundError(
            f"{len(strange)} marked images are not on this page: {', '.join(strange[:5])}.",
            "Show the page again, and mark its images.",
        )
    silent = [i for i in asked_for(label_ids, marks) if not others.get(i)]
    if silent:
        raise RoundError(
            f"{len(silent)} images are marked as wrong without a class: {', '.join(silent[:5])}.",
            "Say what they are, or unmark them.",
        )
    verdicts: dict[str, Any] = {}
    for label_id in label_ids:
        mark = marks.get(label_id)
        if mark is Mark.SUGGESTION:
            verdicts[label_id] = ("relabel", suggestions[label_id])
        else:
            verdicts[label_id] = "keep" if mark is None else others[label_id]
    return verdicts


def check_marks(verdicts: Mapping[str, Any], edited: Mapping[str, str]) -> None:
    """Make sure that nothing on a page says one thing by its mark and another by its label.

    Parameters
    ----------
    verdicts : mapping of str to verdict
        Of the page.
    edited : mapping of str to str
        Label id to the class that somebody gave it by hand while the round was open.

    Raises
    ------
    RoundError
        Names those that do.
    """
    both = [i for i, label in edited.items() if verdicts[i] != ("relabel", label)]
    if both:
        raise RoundError(
            f"{len(both)} images are marked and were given another class by hand: "
            f"{', '.join(both[:5])}.",
            "Unmark them to keep that class, or edit the label back.",
        )


def unsaid(rounds: Rounds, round_: Round, reviews: Sequence[Review]) -> list[Review]:
    """Return the answers of a page that are new.

    Another window, or another person, may have saved the page meanwhile; a double click saves it
    twice.

    Parameters
    ----------
    rounds : Rounds
    round_ : Round
        The round that the page is of.
    reviews : sequence of Review
        What the page says.

    Raises
    ------
    RoundError
        When labels have answers that say something else.
    """
    waiting = rounds.lost_unanswered(round_)
    label_of = {item.sample_id: item.label for item in round_.batch}
    said: dict[str, dict[str, tuple[Verdict | None, str | None]]] = {}
    for (_, label_id, answer_id), event in current_answers(round_.events).items():
        if event.kind is EventKind.REVIEW:
            said.setdefault(label_id, {})[answer_id] = (event.verdict, event.new_label)
    new, other = [], []
    for review in reviews:
        answers = said.get(review.sample_id, {})
        if review.sample_id in waiting and review.answer_id not in answers:
            new.append(review)
            continue
        own = answers.get(review.answer_id)
        settled = settle(review, label_of[review.sample_id])
        if (settled.verdict, settled.new_label) not in ([own] if own else answers.values()):
            other.append(review.sample_id)
    if other:
        raise RoundError(
            f"{len(other)} of {len(reviews)} images have another answer already: "
            f"{', '.join(other[:5])}.",
            "Show the page again. To change an answer, take its page back, or open the image.",
        )
    return new


def last_page(round_: Round) -> dict[AnswerKey, Mark | None]:
    """Return the answers of the App that were recorded last in a round, as marks on a page.

    Returns
    -------
    dict of (round, label id, answer id) to Mark or None
        All that were recorded at once; None where the label was kept.
    """
    standing = {
        key: event
        for key, event in current_answers(round_.events).items()
        if event.kind is EventKind.REVIEW and Page.of(key[2]) is Page.APP
    }
    last = max((event.recorded_at for event in standing.values()), default="")
    suggestions = {item.sample_id: item.suggested_label for item in round_.batch}
    return {
        key: _mark(event, suggestions[key[1]])
        for key, event in standing.items()
        if event.recorded_at == last
    }


def _mark(event: Event, suggestion: str) -> Mark | None:
    if event.verdict is Verdict.KEEP:
        return None
    return Mark.SUGGESTION if event.new_label == suggestion else Mark.OTHER
