"""The use case "push a round": check, draw, record, then the desk.

A push that is refused has changed nothing anywhere. Once the round is on record, a push that fails
is completed by the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.errors import DataError, RoundError
from ..core.review.queue import BatchItem, draw_batch, share_controls, split_evenly
from ..core.review.rounds import Round, Rounds
from ..core.scoring.duplicates import near_duplicates
from ..core.scoring.importance import SCORER_VERSION
from ..desks.base import Desk, Options, ReviewTask, Sent, Subject
from ..reports import RoundReport
from ..store import embedding_run, views
from ..store.labels import weight_or_one
from ..store.marks import write_back
from ..store.rounds import now
from ..store.vectors import read_vectors
from ..version import __version__
from .confuse import find_confused_pair
from .evaluate import freeze_start
from .workspace import Workspace, desk_for

Progress = Callable[[float, str], None]

_SMALL = 128  # pixels of images in which each pixel counts


def push_round(
    work: Workspace,
    server: Any,
    n: int,
    controls: int,
    *,
    class_of_interest: str | Sequence[str] | Mapping[str, int] | None,
    options: dict[str, Any],
    progress: Progress | None,
) -> RoundReport:
    """Give the next batch to a desk, or complete the round that is open there."""
    desk = desk_for(server)
    quotas = _quotas(class_of_interest, n)
    n = sum(quotas.values()) if quotas else n
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
            quotas, rival = _choose_classes(work, rounds, quotas, n)
            work.labels.check_names(quotas, work.store.next_number())
            options = {**options, "n": n, "controls": controls, "desk": desk.name}
            round_ = draw_round(work, rounds, quotas, rival, controls, options)
            images = work.labels.images(item.sample_id for item in round_.batch)
            reviewed = _subject(work, rounds, round_)
            desk.check(reviewed, show_options(work, round_), images)
            claim.check()
            freeze_start(work, (round_.class_of_interest, rival) if rival else None)
            rounds = rounds.plus(work.store.create(round_))
        else:
            _check_desk(round_, desk)
            work.labels.check_names(round_.classes, round_.number)
            reviewed = _subject(work, rounds, round_)
            claim.check()
        _show_round(work, rounds, round_)
        sent = send(work, rounds, round_, desk, reviewed, progress)
    return RoundReport(
        round=round_.number,
        class_of_interest=", ".join(round_.classes),
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
    images = work.labels.images(item.sample_id for item in round_.batch)
    answers, lacking = rounds.answer_ids(round_), rounds.lacking(round_)
    disagreement = work.labels.columns([work.labels.names.disagreement], list(images))
    tasks = [
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
    known = work.store.projects().get(round_.home, {})
    sent = desk.send(reviewed, show_options(work, round_), round_.number, tasks, progress)
    if sent.project:
        same = all(known.get(key) == sent.project[key] for key in ("server", "id"))
        cursor = known.get("cursor") if same else sent.project["cursor"]
        work.store.save_project(round_.home, {**sent.project, "cursor": cursor})
    work.store.save_url(round_, sent.url)
    finished = len(round_.batch) - len(open_ids)
    return Sent(sent.created, sent.existing + finished, sent.url, sent.project)


def _subject(work: Workspace, rounds: Rounds, round_: Round) -> Subject:
    return subject(work, rounds, round_.home, round_.config["options"])


def subject(work: Workspace, rounds: Rounds, home: str, *more: Mapping[str, Any]) -> Subject:
    """Return what a desk must know of the label field."""
    return Subject(
        home=home,
        dataset_name=work.samples.dataset.name,
        label_field=work.labels.name,
        classes=work.given_classes(rounds, *more),
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
    try:
        with Image.open(work.samples.view.first().filepath) as image:
            return bool(max(image.size) <= _SMALL)
    except OSError:  # an address, or unreadable, which is reported elsewhere
        return False


def _show_round(work: Workspace, rounds: Rounds, round_: Round) -> None:
    """Mark the labels of a round and save its views."""
    write_back(work.labels, rounds)
    views.save_round_views(work.labels, round_)
    for cls in round_.classes:
        views.save_queue_view(work.labels, cls)


def _note(disagreement: float | None) -> str:
    """Say why an image is shown, in words that are true of controls as well."""
    if disagreement is None:
        return ""
    return f"{disagreement:.0%} of the most similar images carry another label."


# ---- which labels


def draw_round(
    work: Workspace,
    rounds: Rounds,
    quotas: Mapping[str, int],
    rival: str | None,
    controls: int,
    options: dict[str, Any],
) -> Round:
    """Draw the next batch of some classes after `rounds`; it is not on record yet.

    Raises
    ------
    RoundError
        When every label of a class has been reviewed.
    """
    number = work.store.next_number()
    seed = work.random_state + number
    batch: list[BatchItem] = []
    vectors: list[NDArray[Any]] = []
    pools: dict[str, int] = {}
    for cls, share in share_controls(quotas, controls).items():
        queue = _read_queue(work, cls)
        eligible = np.array([not rounds.is_served(i, cls) for i in queue.ids], dtype=bool)
        if not eligible.any():
            raise _nothing_left(work, cls, len(queue.ids))
        pools[cls] = int(eligible.sum())
        drawn = draw_batch(
            queue.ids,
            queue.importance,
            eligible,
            quotas[cls],
            share,
            random_state=seed,
            embeddings=queue.embeddings,
            first=np.array([i in rounds.in_conflict for i in queue.ids], dtype=bool),
        )
        batch += [queue.item(index, cls, len(batch) + k, c) for k, (index, c) in enumerate(drawn)]
        vectors.append(queue.embeddings[[index for index, _ in drawn]])
    embeddings_field, dataset = work.labels.embeddings_field, work.samples.dataset
    return Round(
        number=number,
        label_field=work.labels.name,
        class_of_interest=next(iter(quotas)),
        rival=rival,
        config={
            "seed": seed,
            "test_duplicates": _test_duplicates(work, np.concatenate(vectors)),
            "unscored": sum(_count_unscored(work, cls) for cls in quotas),
            "embeddings_field": embeddings_field,
            "model": embedding_run.network_name(dataset, embeddings_field),
            "scores": work.labels.score_record(),
            "test_tag": work.samples.test_tag,
            "scorer_version": SCORER_VERSION,
            "version": __version__,
            "created_at": now(),
            "options": options,
        },
        batch=batch,
        pools=pools,
        home=work.samples.dataset_id,
    )


def _nothing_left(work: Workspace, cls: str, in_queue: int) -> RoundError:
    unscored = _count_unscored(work, cls)
    if unscored and not in_queue:
        return RoundError(
            f"the queue of class {cls!r} in dataset {work.samples.dataset.name!r} is empty: "
            f"{unscored} of its samples have no score.",
            "Compute importance again: `coreset-cleaning score`.",
        )
    return RoundError(
        f"the queue of class {cls!r} in dataset {work.samples.dataset.name!r} is empty: every "
        "sample has been reviewed.",
        "Choose another class.",
    )


def _count_unscored(work: Workspace, cls: str) -> int:
    """Count the labels of a class that no queue can show, because they have no score."""
    return int(views.unscored_view(work.labels, cls).count())


@dataclass(frozen=True)
class _Queue:
    """A class's queue as arrays."""

    ids: list[str]
    embeddings: NDArray[Any]
    importance: NDArray[Any]
    weights: list[float]
    suggestions: list[str]
    probabilities: list[float]

    def item(self, index: int, label: str, rank: int, control: bool) -> BatchItem:
        return BatchItem(
            sample_id=self.ids[index],
            rank=rank,
            importance=float(self.importance[index]),
            label=label,
            weight=float(self.weights[index]),
            control=control,
            suggested_label=self.suggestions[index],
            suggested_probability=float(self.probabilities[index]),
        )


def _read_queue(work: Workspace, class_name: str) -> _Queue:
    labels, ours = work.labels, work.labels.names
    view = views.queue_view(labels, class_name)
    ids, embeddings, _ = read_vectors(view, labels.embeddings_field)
    fields = [ours.importance, ours.weight]
    fields += [f"{ours.suggested}.label", f"{ours.suggested}.confidence"]
    # Two queries may sort ties differently.
    rows = labels.columns(fields, ids)
    importance, weights, suggestions, probabilities = ([rows[i][k] for i in ids] for k in range(4))
    if None in suggestions:
        raise DataError(
            f"the queue of class {class_name!r} in dataset {labels.dataset.name!r} must have a "
            f"suggestion for each label; {ours.suggested!r} lacks {suggestions.count(None)}.",
            "Compute them again: `coreset-cleaning score` or loop.compute_importance()",
        )
    weights = [weight_or_one(value) for value in weights]
    return _Queue(ids, embeddings, np.array(importance), weights, suggestions, probabilities)


def _test_duplicates(work: Workspace, batch: NDArray[Any]) -> int:
    """Count the labels of a batch that are near-duplicates of a test sample."""
    test, field = work.samples.test_view(), work.labels.embeddings_field
    if test is None:
        return 0
    _, embeddings, _ = read_vectors(test.exists(field), field)
    return len(np.unique(near_duplicates(batch, embeddings).query)) if len(embeddings) else 0


# ---- which classes


def _choose_classes(
    work: Workspace, rounds: Rounds, asked: dict[str, int], n: int
) -> tuple[dict[str, int], str | None]:
    """Return the quotas and the rival: as asked, as in the last round, or as measured."""
    if asked:
        cls = next(iter(asked))
        rivals = [r.rival for r in rounds if r.class_of_interest == cls]
        return asked, rivals[-1] if rivals else None
    if len(rounds):
        return split_evenly(n, rounds[-1].classes), rounds[-1].rival
    pair = find_confused_pair(work)
    return {pair.class_of_interest: n}, pair.rival


def _quotas(asked: str | Sequence[str] | Mapping[str, int] | None, n: int) -> dict[str, int]:
    """Return the samples wanted of each class; empty when none was asked for."""
    if asked is None:
        return {}
    if isinstance(asked, str):
        return {asked: n}
    if not isinstance(asked, Mapping):
        return split_evenly(n, list(asked))
    if not asked or any(quota < 1 for quota in asked.values()):
        raise DataError(
            f"class_of_interest: the samples of each class must be at least 1, got {dict(asked)}.",
            "Leave out the classes that you don't want to review.",
        )
    return dict(asked)
