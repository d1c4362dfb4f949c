"""The use case "push a round": check, draw, record, then the desk.

A push that is refused has changed nothing anywhere. Once the round is on record, a push that fails
is completed by the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from PIL import Image

from ..core.errors import DataError, RoundError
from ..core.review.round import Round
from ..core.review.rounds import Rounds
from ..desks.base import Desk, Options, ReviewTask, Sent, Subject
from ..reports import RoundReport
from ..store import views
from ..store.marks import write_back
from .draw import Wanted, choose, draw_round
from .evaluate import freeze_start
from .pictures import shown_images
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
    work.labels.check_unlocked()
    with work.store.lock("push") as claim:
        rounds = work.store.all()
        round_ = rounds.open
        if round_ is None:
            choice = choose(work, rounds, asked, n)
            work.labels.check_names(choice.queues, work.store.next_number())
            options = {**options, "n": n, "controls": controls, "desk": desk.name}
            round_ = draw_round(work, rounds, choice, controls, options)
            reviewed = _subject(work, rounds, round_)
            ids = [item.sample_id for item in round_.batch]
            with shown_images(work, desk, round_.config["options"], ids) as images:
                desk.check(reviewed, show_options(work, round_), images)
            claim.check()
            pair = (round_.class_of_interest, round_.rival) if round_.rival else None
            freeze_start(work, pair)
            rounds = rounds.plus(work.store.create(round_))
        else:
            _check_desk(round_, desk)
            work.labels.check_names(round_.queues, round_.number)
            reviewed = _subject(work, rounds, round_)
            claim.check()
        _show_round(work, rounds, round_)
        sent = send(work, rounds, round_, desk, reviewed, progress)
    return RoundReport(
        round=round_.number,
        scope=round_.scope.value,
        class_of_interest=round_.reviewed_what,
        rival=round_.rival,
        n=len(round_.batch),
        controls=sum(item.control for item in round_.batch),
        created=sent.created,
        existing=sent.existing,
        project=sent.project.get("id"),
        url=sent.url,
        desk=round_.desk,
        test_duplicates=round_.config.get("test_duplicates", 0),
        unscored=round_.config.get("unscored", 0),
        persistent=bool(work.samples.dataset.persistent),
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
    progress: Progress | None,
) -> Sent:
    """Send those tasks of a round that lack answers, and remember where they are."""
    open_ids = rounds.lost_unanswered(round_)
    with shown_images(work, desk, round_.config["options"], open_ids) as images:
        tasks = _tasks(work, rounds, round_, open_ids, images)
        known = work.store.projects().get(round_.home, {})
        options = show_options(work, round_)
        sent = desk.send(reviewed, options, round_.number, tasks, progress)
    if sent.project:
        same = all(known.get(key) == sent.project[key] for key in ("server", "id"))
        cursor = known.get("cursor") if same else sent.project["cursor"]
        work.store.save_project(round_.home, {**sent.project, "cursor": cursor})
    work.store.save_url(round_, sent.url)
    finished = len(round_.batch) - len(open_ids)
    return Sent(sent.created, sent.existing + finished, sent.url, sent.project)


def _tasks(
    work: Workspace,
    rounds: Rounds,
    round_: Round,
    open_ids: AbstractSet[str],
    images: Mapping[str, str],
) -> list[ReviewTask]:
    """Return the tasks of the labels that lack answers and are still there."""
    answers, lacking = rounds.answer_ids(round_), rounds.lacking(round_)
    disagreement = work.labels.columns([work.labels.names.disagreement], list(images))
    return [
        ReviewTask(
            sample_id=item.sample_id,
            image=images[item.sample_id],
            rank=item.rank,
            of=len(round_.batch),
            label=item.label,
            suggested_label=item.suggested_label,
            suggested_probability=item.suggested_probability,
            note=_note(disagreement[item.sample_id][0]),
            earlier_answers=tuple(answers.get(item.sample_id, ())),
            lacking=lacking.get(item.sample_id),
        )
        for item in round_.batch
        if item.sample_id in images and item.sample_id in open_ids
    ]


def _subject(work: Workspace, rounds: Rounds, round_: Round) -> Subject:
    return subject(work, rounds, round_.home, round_.config["options"])


def subject(work: Workspace, rounds: Rounds, home: str, *more: Mapping[str, Any]) -> Subject:
    """Return what a desk must know of the label field."""
    return Subject(
        home=home,
        dataset_name=work.samples.dataset.name,
        label_field=work.labels.name,
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
    )


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
