"""The use cases "review by the page": the next page of a round, an answered page, one page back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..core.errors import RoundError
from ..core.review.grid import (
    GridPage,
    Mark,
    Question,
    around,
    check_marks,
    grid_page,
    last_page,
    read_page,
)
from ..core.review.round import Round
from ..core.review.rounds import Rounds
from ..desks.app import Answer, AppDesk
from ..reports import PullReport
from .examples import find_examples
from .hand_edits import check_not_renamed, hand_edits
from .pictures import FOR_AN_EXAMPLE, in_the_app
from .pull import answering, record
from .workspace import Workspace


def next_page(work: Workspace, size: int) -> GridPage | None:
    """Return the next page of the round that is open at the App's desk; None without a round."""
    if size < 1:
        raise RoundError(
            f"a page must hold at least 1 image, got {size}.", "Say how many fit on the screen."
        )
    work.labels.check_recorded()
    rounds = work.store.all()
    if rounds.open is None:
        return None
    round_ = _open(work, rounds)
    return grid_page(rounds, round_, size, set(work.labels.existing(round_.sample_ids)))


def waiting_on_page(work: Workspace, shown: Sequence[str]) -> list[str]:
    """Return the labels of a page that still wait for an answer; what is shown must be that page.

    Raises
    ------
    RoundError
        When it is anything else than the next page: nobody has looked at the rest.
    """
    rounds = work.store.all()
    round_ = _open(work, rounds)
    present = set(work.labels.existing(round_.sample_ids))
    waiting = grid_page(rounds, round_, max(1, len(shown)), present).label_ids
    # What was answered meanwhile, beside the opened sample, is on the page no longer.
    here = [i for i in shown if i in set(waiting)]
    if not here or set(shown) - round_.sample_ids or here != [*waiting[: len(here)]]:
        raise RoundError(
            f"the grid shows {len(shown)} images that are not the page that is next, so nothing "
            "was saved.",
            "Show the page again.",
        )
    return here


def commit_page(
    work: Workspace,
    label_ids: Sequence[str],
    marks: Mapping[str, Mark],
    others: Mapping[str, Answer],
    reviewer: str | None,
    seconds: float | None,
) -> PullReport:
    """Record what a page's marks mean: an image without one is kept."""
    with answering(work) as (claim, rounds):
        round_ = _open(work, rounds)
        suggestions = {item.sample_id: item.suggested_label for item in round_.batch}
        outside = sorted(set(label_ids) - set(suggestions))
        if outside:
            raise RoundError(
                f"{len(outside)} of {len(label_ids)} images are not in round {round_.number}, "
                f"which is open: {', '.join(outside[:5])}.",
                "Show its next page.",
            )
        verdicts = read_page(label_ids, suggestions, marks, others)
        # Who has edited a label of the page in the tab "Annotate" has said what it is.
        edits = hand_edits(work, rounds, round_)
        check_not_renamed(work, round_, edits)
        found = edits.answers
        edited = {label_id: found[label_id] for label_id in label_ids if label_id in found}
        for label_id, label in edited.items():
            if label_id not in marks:
                verdicts[label_id] = ("relabel", label)
        check_marks(verdicts, edited)
        return record(
            work,
            claim,
            rounds,
            round_,
            verdicts,
            reviewer,
            seconds=seconds,
            edited=edited,
            of_page=True,
        )


def question(work: Workspace, label_id: str, n_examples: int) -> Question | None:
    """Return what is asked about a label; None when no round in the App shows it."""
    rounds = work.store.all()
    round_ = rounds.open_at(AppDesk.name)
    items = {item.sample_id: item for item in round_.batch} if round_ else {}
    if round_ is None or label_id not in items:
        return None
    item, order = items[label_id], list(items)
    waiting = rounds.lost_unanswered(round_) & set(work.labels.existing(items))
    previous, following = around(order, waiting, label_id)
    both = (item.label, item.suggested_label)
    examples = find_examples(work, rounds, round_, both, n_examples, work.labels.images)
    sure = {name: [e.sample_id for e in found] for name, found in examples.items()}
    small = in_the_app(work, [i for found in sure.values() for i in found], FOR_AN_EXAMPLE)
    disagreement = work.labels.columns([work.labels.names.disagreement], [label_id])
    return Question(
        round=round_.number,
        label_id=label_id,
        image=in_the_app(work, [label_id]).get(label_id, ""),
        label=item.label,
        suggested_label=item.suggested_label,
        suggested_probability=item.suggested_probability,
        disagreement=disagreement[label_id][0] if label_id in disagreement else None,
        answered=label_id not in waiting,
        previous=previous,
        next=following,
        examples={name: [small[i] for i in found if i in small] for name, found in sure.items()},
        of_object=work.labels.of_crops,
    )


def take_back_page(work: Workspace) -> dict[str, Mark | None]:
    """Withdraw the answers of the page that was answered last; return its marks.

    If that page was the last of its round, the round is open again.

    Raises
    ------
    RoundError
        When no page has been answered.
    """
    with answering(work) as (claim, rounds):
        round_ = rounds.open or rounds.last_counted
        answers = last_page(round_) if round_ and round_.desk == AppDesk.name else {}
        if round_ is None or not answers:
            raise RoundError(
                f"{work.where} has no page to take back: none was answered in the App"
                + (f" in round {round_.number}." if round_ else "."),
                "Nothing has to be done.",
            )
        record(work, claim, rounds, round_, {}, withdrawn=answers)
    return {label_id: mark for (_, label_id, _), mark in answers.items()}


def _open(work: Workspace, rounds: Rounds) -> Round:
    round_ = rounds.open
    if round_ is None:
        raise RoundError(
            f"{work.where} has no open round.", "Begin one: push_round(AppDesk(), n=100)."
        )
    if round_.desk != AppDesk.name:
        raise RoundError(
            f"round {round_.number} is open at the desk {round_.desk!r}, not in the App.",
            "Finish it there, or close it first: close_round().",
        )
    return round_
