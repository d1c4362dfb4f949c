"""The use cases "take answers in": pull them from a desk, or record them directly.

An answer is in the ledger before a label changes. What was cut off there is finished by the next
call about its round, and by every push and pull.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Any

from ..core.errors import DataError, RoundError
from ..core.judging.meter import meter
from ..core.review.grid import unsaid
from ..core.review.ledger import (
    AnswerKey,
    Event,
    EventKind,
    new_events,
    next_time,
    recorded_answers,
)
from ..core.review.round import Round
from ..core.review.rounds import Rounds
from ..core.review.verdicts import Review, settle
from ..desks.app import Answer, read_verdicts
from ..desks.base import Answers, Desk
from ..reports import PullReport
from ..store.lock import Claim
from ..store.marks import write_back
from ..store.rounds import now
from .hand_edits import adopt, as_reviews, check_not_renamed, hand_edits
from .plan import keep_plan
from .push import send_unnamed, subject
from .workspace import Workspace, desk_for


def pull_reviews(work: Workspace, server: Any) -> PullReport:
    """Fetch what was answered since the last pull and write it back.

    Raises
    ------
    RoundError
        When no round has been pushed yet.
    ProjectMissingError
        When the project is no longer on the server; nothing here changes.
    """
    work.labels.check_names(saves_views=False)
    work.labels.check_unlocked()
    desk = desk_for(server)
    with work.store.lock("pull") as claim:
        rounds = work.store.all()
        mine = [round_ for round_ in rounds if round_.desk == desk.name]
        projects = work.store.projects()
        # Without a project nothing was ever sent: the push died before.
        homes = dict.fromkeys(r.home for r in mine if r.home in projects or desk.shows_dataset)
        if not homes:
            raise RoundError(
                f"{work.where} has no round at the desk {desk.name!r}.",
                "Push one first: `coreset-cleaning push`.",
            )
        reports = []
        for home in homes:
            here = [round_ for round_ in mine if round_.home == home]
            answers = _fetch(work, desk, rounds, here, projects.get(home, {}))
            edited: dict[str, str] = {}
            if desk.shows_dataset and rounds.open in here:
                edited = hand_edits(work, rounds, rounds.open).answers
                answers.reviews += as_reviews(rounds, rounds.open, edited)
            claim.check()
            if rounds.open:
                adopt(work, rounds.open, edited)
            report, rounds = _take_in(work, rounds, here, answers)
            if answers.project:
                for round_ in (r for r in here if r.url):
                    work.store.save_url(round_, desk.link(round_.url, answers.project))
                for round_ in (r for r in here if r.unnamed_url):
                    link = desk.link(round_.unnamed_url, answers.project)
                    work.store.save_url(round_, link, of_unnamed=True)
            reports.append(_ask_for_classes(work, rounds, here, desk, answers, report))
            if answers.project:
                # Last, with what this pull began at: if it died before, the next one reads it all.
                kept = work.store.projects().get(home, {})
                work.store.save_project(home, {**kept, **answers.project})
        keep_plan(work, rounds)
        return _merged(rounds, reports)


def _ask_for_classes(
    work: Workspace,
    rounds: Rounds,
    here: Sequence[Round],
    desk: Desk,
    answers: Answers,
    report: PullReport,
) -> PullReport:
    """Send what was marked on the sheets of the open round without a class; say so."""
    open_ = next((r for r in here if rounds.open and r.number == rounds.open.number), None)
    if open_ is None or not open_.sheet:
        return report
    unnamed = answers.unnamed.get(open_.number, {})
    sent = send_unnamed(work, rounds, open_, desk, unnamed) if unnamed else 0
    return report.standing(unnamed=sent, unnamed_url=open_.unnamed_url)


def _fetch(
    work: Workspace, desk: Desk, rounds: Rounds, here: Sequence[Round], project: Mapping[str, Any]
) -> Answers:
    return desk.fetch(
        subject(work, rounds, here[0].home),
        {round_.number: round_.shown_ids for round_ in here},
        recorded_answers(event for round_ in here for event in round_.answers),
        project,
        {round_.number: round_.reviewers for round_ in here},
    )


def record_verdicts(
    work: Workspace,
    verdicts: Mapping[str, Answer],
    reviewer: str | None,
    comments: Mapping[str, str] | None = None,
    seconds: float | None = None,
) -> PullReport:
    """Record answers that were given in the App or by a script, and write them back.

    Raises
    ------
    RoundError
        When there is no round, or a label is not in the open one or the one that closed last.
    DataError
        When one of them is no verdict; none is recorded then.
    """
    with answering(work) as (claim, rounds):
        round_ = rounds.open or rounds.last_counted
        # The last answer closes a round. Who corrects one then, or repeats a call that was cut
        # off there, means that round.
        if round_ is None:
            raise RoundError(
                f"{work.where} has no round to answer.",
                "Push one first: push_round(AppDesk()).",
            )
        outside = sorted(set(verdicts) - round_.shown_ids)
        if outside:
            raise RoundError(
                f"{len(outside)} of {len(verdicts)} samples are not in round {round_.number}, "
                f"which is {rounds.state(round_).value}: {', '.join(outside[:5])}.",
                f"The saved view {work.labels.names.round_view(round_.number)!r} shows it.",
            )
        if verdicts:
            check_not_renamed(work, round_, hand_edits(work, rounds, round_))
        return record(work, claim, rounds, round_, verdicts, reviewer, comments, seconds)


@contextmanager
def answering(work: Workspace) -> Iterator[tuple[Claim, Rounds]]:
    """Give the rounds as they are, and keep others from answering while the block runs."""
    work.labels.check_names(saves_views=False)
    work.labels.check_unlocked()
    with work.store.lock("record") as claim:
        yield claim, work.store.all()


def record(
    work: Workspace,
    claim: Claim,
    rounds: Rounds,
    round_: Round,
    verdicts: Mapping[str, Answer],
    reviewer: str | None = None,
    comments: Mapping[str, str] | None = None,
    seconds: float | None = None,
    withdrawn: Iterable[AnswerKey] = (),
    edited: Iterable[str] = (),
    of_page: bool = False,
) -> PullReport:
    """Record answers about labels that a round shows; within a block of `answering`.

    `withdrawn` are answers that are taken back; a round that lacks one of them then is open again,
    unless another one is. `edited` are labels that carry their answer already. What is `of_page`
    adds to the answers that there are and replaces none.
    """
    reviews = read_verdicts(
        verdicts,
        _classes_for(work, rounds, verdicts),
        round_=round_.number,
        reviewer=reviewer,
        at=next_time(rounds.answers, now()),
        comments=comments,
        seconds=seconds,
    )
    _check_boxes(work, reviews)
    if of_page:
        reviews = unsaid(rounds, round_, reviews)
    claim.check()
    adopt(work, round_, edited)
    answers = Answers(reviews=reviews, withdrawn=[*withdrawn])
    if answers.withdrawn and rounds.open is None:
        # First: were it cut off in between, the round would just close with the next answer.
        work.store.reopen(round_)
        rounds = Rounds(rounds)
    # Nothing has changed in other rounds, and reading them takes the longer the more there are.
    report, rounds = _take_in(work, rounds, [round_], answers, round_.shown_ids)
    keep_plan(work, rounds)
    return _merged(rounds, [report])


def _check_boxes(work: Workspace, reviews: Iterable[Review]) -> None:
    """Refuse verdicts about boxes where there are none."""
    of_boxes = [r for r in reviews if r.verdict.outcome.of_objects]
    if of_boxes and not work.labels.of_crops:
        raise DataError(
            f"the verdict about {of_boxes[0].sample_id!r} must not be "
            f"{of_boxes[0].verdict.value!r}: the labels of {work.where} are of whole images.",
            'Write "keep", "delete", "unsure" or ("relabel", "dog").',
        )


def _classes_for(work: Workspace, rounds: Rounds, verdicts: Mapping[str, Answer]) -> Sequence[str]:
    """Return classes that may be given: of those that are given, or all if one of them is unknown.

    To list the classes in use, the database goes through all labels; to find one, it does not.
    """
    given = {a[1] for a in verdicts.values() if isinstance(a, tuple) and len(a) == 2}
    added = {c for r in rounds for c in r.config["options"].get("new_classes", ())}
    if all(isinstance(c, str) and (c in added or work.labels.has_class(c)) for c in given):
        return tuple(given)
    return work.given_classes(rounds)


def _take_in(
    work: Workspace,
    rounds: Rounds,
    here: Sequence[Round],
    answers: Answers,
    only: AbstractSet[str] | None = None,
) -> tuple[PullReport, Rounds]:
    """Append the events that are new, close what is complete, and write the state back.

    The state of all labels, or `only` of some. The lock is held: nobody else changes these rounds,
    so they need not be read again.
    """
    label_of = {(r.number, item.sample_id): item.label for r in here for item in r.shown}
    reviews = [settle(a, label_of[a.round, a.sample_id]) for a in answers.reviews]
    at = next_time(rounds.answers, now())
    events = new_events(rounds.answers, reviews, answers.withdrawn, at)
    # What a user has removed from the dataset has no task and gets no answer.
    present = work.labels.existing(i for r in here for i in r.shown_ids)
    open_before = {r.number for r in here if r.closed_at is None}
    closed = [
        round_.number
        for round_ in here
        if _record(work, round_, events, present & round_.shown_ids)
    ]
    # What was said of a gold image adds no class either.
    under_review = {(r.number, i) for r in here for i in r.sample_ids}
    given = (r.new_label for r in reviews if (r.round, r.sample_id) in under_review)
    work.labels.list_classes(dict.fromkeys(name for name in given if name))
    rounds = Rounds(rounds)
    written = write_back(work.labels, rounds, only)
    report = PullReport(
        new_answers=sum(event.kind is EventKind.REVIEW for event in events),
        withdrawn=sum(event.kind is EventKind.WITHDRAW for event in events),
        changed=written.changed,
        outcomes={},
        open_round=None,
        answered=0,
        total=0,
        closed=closed,
        skipped=answers.skipped,
        problems=list(answers.problems),
        # Tasks of a closed round may be tidied away.
        missing={n: ids for n, ids in answers.missing.items() if ids and n in open_before},
        skips={n: ids for n, ids in answers.skips.items() if ids and n in open_before},
        surplus=sum(len(ids) for n, ids in answers.surplus.items() if n in open_before),
        outdated=written.outdated,
        # Once is enough: later pulls have nothing new to say of it.
        gone=[i for i in written.gone if i in {event.sample_id for event in events}],
    )
    return report, rounds


def _record(work: Workspace, round_: Round, events: Sequence[Event], present: set[str]) -> bool:
    """Append a round's events; return whether that completes it."""
    mine = [event for event in events if event.round == round_.number]
    after = round_.with_events(mine)
    completes = round_.closed_at is None and present <= Rounds.complete(after)
    if mine or completes:
        work.store.append(round_, mine, now() if completes else None)
    return completes


def _merged(rounds: Rounds, reports: Sequence[PullReport]) -> PullReport:
    """Return what several homes came to, with where the rounds are now."""
    last = rounds.open or rounds[-1]
    first, *more = reports
    for report in more:
        first = first.plus(report)
    return first.standing(
        outcomes=rounds.outcomes(),
        open_round=rounds.open.number if rounds.open else None,
        answered=len(rounds.complete(last)),
        total=len(last.shown),
        meter=meter(rounds, [last]),
    )
