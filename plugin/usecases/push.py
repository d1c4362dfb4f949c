"""The use case "push a round": check, draw, record, then the desk.

A push that is refused has changed nothing anywhere. Once the round is on record, a push that fails
is completed by the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from ..core.errors import DataError, RoundError
from ..core.review.round import Round
from ..core.review.rounds import Rounds
from ..core.review.sheets import Place, places
from ..desks.base import Desk, Options, ReviewTask, Sent, Subject
from ..reports import RoundReport
from ..store import views
from ..store.annotation import offer_classes
from ..store.marks import write_back
from .draw import Wanted, choose, draw_round
from .evaluate import freeze_start
from .examples import find_examples
from .gold import hide_gold
from .pictures import Show, pictures_for
from .workspace import Workspace, desk_for

Progress = Callable[[float, str], None]

_SMALL = 128  # pixels of images in which each pixel counts


def push_round(
    work: Workspace,
    server: Any,
    n: int,
    controls: int,
    *,
    asked: Wanted,
    options: dict[str, Any],
    progress: Progress | None,
) -> RoundReport:
    """Give the next batch to a desk, or complete the round that is open there."""
    desk = desk_for(server)
    n = asked.size(n)
    if not 0 <= controls <= n or n < 1:
        raise DataError(
            f"n must be at least 1 and controls between 0 and n, got n={n} and "
            f"controls={controls}.",
            "Ask for fewer controls, or more samples.",
        )
    if not 0 <= asked.gold <= n:
        raise DataError(
            f"gold must be between 0 and n, got gold={asked.gold} and n={n}.",
            "One gold image in ten or twenty is enough to see how much a reviewer misses.",
        )
    if asked.gold and desk.shows_dataset:
        raise DataError(
            f"gold must be 0 at the desk {desk.name!r}, which shows the labels of the dataset and "
            f"no swapped ones, got gold={asked.gold}.",
            "Leave it out, or review the round in Label Studio.",
        )
    work.labels.check_unlocked()
    with work.store.lock("push") as claim:
        rounds = work.store.all()
        round_ = rounds.open
        is_new = round_ is None
        if round_ is None:
            choice = choose(work, rounds, asked, n)
            work.labels.check_names(choice.queues, work.store.next_number())
            options = {**options, "n": n, "controls": controls, "desk": desk.name}
            round_ = draw_round(work, rounds, choice, controls, options)
            hide_gold(work, rounds, round_, asked.gold)
        else:
            _check_desk(round_, desk)
            work.labels.check_names(round_.queues, round_.number)
        reviewed = _subject(work, rounds, round_)
        with pictures_for(work, desk, round_.config["options"]) as show:
            if is_new:
                images = show(item.sample_id for item in round_.shown)
                desk.check(reviewed, show_options(work, round_), images)
            claim.check()
            if is_new:
                pair = (round_.class_of_interest, round_.rival) if round_.rival else None
                freeze_start(work, pair)
                rounds = rounds.plus(work.store.create(round_))
            _show_round(work, rounds, round_)
            if desk.shows_dataset:
                offer_classes(work.labels, reviewed.classes)
            sent = send(work, rounds, round_, desk, reviewed, show, progress)
    return RoundReport(
        round=round_.number,
        scope=round_.scope.value,
        class_of_interest=round_.reviewed_what,
        rival=round_.rival,
        n=len(round_.batch),
        controls=sum(item.control for item in round_.batch),
        gold=len(round_.gold),
        created=sent.created,
        existing=sent.existing,
        project=sent.project.get("sheets_id" if round_.sheet else "id"),
        sheets=len({place.sheet for place in places_of(round_).values()}),
        url=sent.url,
        desk=round_.desk,
        test_duplicates=round_.config.get("test_duplicates", 0),
        unscored=round_.config.get("unscored", 0),
        persistent=bool(work.samples.dataset.persistent),
        split=work.samples.split,
    )


def _check_desk(round_: Round, desk: Desk) -> None:
    """Refuse to go on at one desk with what was begun at another."""
    if round_.desk != desk.name:
        raise RoundError(
            f"round {round_.number} is open at the desk {round_.desk!r}, got {desk.name!r}.",
            "Finish it there, or close it first: close_round().",
        )


def send(
    work: Workspace,
    rounds: Rounds,
    round_: Round,
    desk: Desk,
    reviewed: Subject,
    show: Show,
    progress: Progress | None,
) -> Sent:
    """Send those tasks of a round that lack answers, and remember where they are."""
    open_ids = rounds.lost_unanswered(round_)
    lacking = rounds.lacking(round_)
    wanted = dict.fromkeys(open_ids) | lacking
    tasks = _tasks(work, rounds, round_, wanted, places_of(round_), show)
    options = _with_examples(work, rounds, round_, desk, tasks, show)
    sent = desk.send(reviewed, options, round_.number, tasks, progress)
    _remember(work, round_, desk, sent)
    work.store.save_url(round_, sent.url)
    finished = len(round_.shown) - len(open_ids)
    return replace(sent, existing=sent.existing + finished)


def send_unnamed(
    work: Workspace, rounds: Rounds, round_: Round, desk: Desk, unnamed: Mapping[str, int]
) -> int:
    """Send what was marked on a sheet without a class, on pages of its own; return the new ones.

    Parameters
    ----------
    unnamed : mapping of str to int
        Label id to answers that its sheet has: so many the label should have, too.
    """
    has = {i: round_.reviewers - n for i, n in rounds.lacking(round_).items()}
    wanted = {i: min(n, round_.reviewers) - has.get(i, 0) for i, n in unnamed.items()}
    complete = rounds.complete(round_)
    lacking = {i: n for i, n in wanted.items() if n > 0 and i not in complete}
    reviewed = _subject(work, rounds, round_)
    with pictures_for(work, desk, round_.config["options"]) as show:
        tasks = _tasks(work, rounds, round_, lacking, {}, show)
        if not tasks:
            return 0
        options = _with_examples(work, rounds, round_, desk, tasks, show)
        sent = desk.send(reviewed, options, round_.number, tasks, None)
    _remember(work, round_, desk, sent)
    work.store.save_url(round_, sent.url, of_unnamed=True)
    return sent.created


def places_of(round_: Round) -> dict[str, Place]:
    """Return label id to its place on a sheet; empty where each has a page of its own."""
    return places(round_.shown, round_.sheet) if round_.sheet else {}


def _tasks(
    work: Workspace,
    rounds: Rounds,
    round_: Round,
    lacking: Mapping[str, int | None],
    where: Mapping[str, Place],
    show: Show,
) -> list[ReviewTask]:
    """Return the tasks of some labels of a round: of those that are still in the dataset."""
    shown = round_.shown
    images = show([item.sample_id for item in shown if item.sample_id in lacking])
    answers = rounds.answer_ids(round_)
    # What is said of a gold image is said of the label that it passes for.
    says = {item.sample_id: getattr(item, "like", item.sample_id) for item in shown}
    ours = work.labels.names
    known = work.labels.columns([ours.disagreement, ours.second_guess], list(says.values()))
    unknown = (None, None)
    return [
        ReviewTask(
            sample_id=item.sample_id,
            image=images[item.sample_id],
            rank=item.rank,
            of=len(shown),
            label=item.label,
            suggested_label=item.suggested_label,
            suggested_probability=item.suggested_probability,
            note=_note(known.get(says[item.sample_id], unknown)[0]),
            earlier_answers=tuple(answers.get(item.sample_id, ())),
            lacking=lacking[item.sample_id],
            place=where.get(item.sample_id),
            second_guess=known.get(says[item.sample_id], unknown)[1],
        )
        for item in shown
        if item.sample_id in images and item.sample_id in lacking
    ]


def _remember(work: Workspace, round_: Round, desk: Desk, sent: Sent) -> None:
    if sent.project:
        known = work.store.projects().get(round_.home, {})
        work.store.save_project(round_.home, desk.remember(known, sent.project))


def _subject(work: Workspace, rounds: Rounds, round_: Round) -> Subject:
    return subject(work, rounds, round_.home, round_.config["options"])


def subject(work: Workspace, rounds: Rounds, home: str, *more: Mapping[str, Any]) -> Subject:
    """Return what a desk must know of the label field."""
    return Subject(
        home=home,
        dataset_name=work.samples.dataset.name,
        label_field=work.subject,
        classes=work.given_classes(rounds, *more),
        of_objects=work.labels.of_crops,
    )


def show_options(work: Workspace, round_: Round) -> Options:
    """Return how a round is shown."""
    options = round_.config["options"]
    root = options.get("images_root")
    return Options(
        reviewers_per_task=options["reviewers_per_task"],
        hide_suggestion=options["hide_suggestion"],
        smooth=not shows_small_images(work),
        images=options["images"],
        images_root=Path(root) if root else None,
        sheet=round_.sheet,
    )


def _with_examples(
    work: Workspace,
    rounds: Rounds,
    round_: Round,
    desk: Desk,
    tasks: Sequence[ReviewTask],
    show: Show,
) -> Options:
    """Return how a round is shown, with the examples that its pages need."""
    options = show_options(work, round_)
    # On a sheet, of the class it asks about alone: the suggestions are too many.
    classes = {task.label for task in tasks}
    if not options.hide_suggestion:
        classes |= {task.suggested_label for task in tasks if task.place is None}
    wanted = int(round_.config["options"].get("examples", 0))
    if desk.shows_dataset:
        wanted = 0  # there, people look at whatever they like
    examples = find_examples(work, rounds, round_, sorted(classes), wanted, show)
    return replace(options, examples=examples)


def shows_small_images(work: Workspace) -> bool:
    """Tell whether images have so few pixels that each counts; the first one stands for all."""
    if work.labels.of_crops:  # pictures of them are as large as people need them
        return False
    try:
        with Image.open(work.samples.view.first().filepath) as image:
            return bool(max(image.size) <= _SMALL)
    except OSError:  # an address, or unreadable, which is reported elsewhere
        return False


def _show_round(work: Workspace, rounds: Rounds, round_: Round) -> None:
    """Mark the labels of a round and save its views."""
    write_back(work.labels, rounds)
    views.save_round_views(work.labels, round_)
    for cls in round_.queues:
        views.save_queue_view(work.labels, cls)


def _note(disagreement: float | None) -> str:
    """Say why an image is shown, in words that are true of controls as well."""
    if disagreement is None:
        return ""
    return f"{disagreement:.0%} of the most similar images carry another label."
