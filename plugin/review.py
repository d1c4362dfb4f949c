"""One round through review: draw a batch, push it, pull the answers, write them back.

The ledger comes first: a round is on record before Label Studio hears of it, and an answer is in
the ledger before a sample changes. A crash anywhere is mended by calling the same again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .core.duplicates import near_duplicates
from .core.errors import ProjectMissingError, RoundError
from .core.importance import SCORER_VERSION
from .core.ledger import (
    Event,
    EventKind,
    answered,
    count_voices,
    fold,
    new_events,
    next_time,
    of_answers,
    recorded_answers,
    undone_rounds,
)
from .core.queue import BatchItem, draw_batch, share_controls
from .core.verdicts import Outcome, settle
from .labelstudio.cleanup import delete_round_tab, delete_unanswered, park_tasks
from .labelstudio.connection import LabelStudioServer
from .labelstudio.images import ImageSource
from .labelstudio.project import Project, locate_project
from .labelstudio.pull import pull_answers
from .labelstudio.push import PushResult, ReviewTask, push_tasks
from .reports import CloseReport, PullReport
from .runtime import meanwhile
from .store import embedding_run, names, views
from .store.reviews import apply_states
from .store.rounds import Round, RoundStore, now, open_round
from .store.samples import Samples
from .store.vectors import read_vectors
from .version import __version__

Progress = Callable[[float, str], None]

_SMALL = 128  # pixels


def ledger(rounds: Sequence[Round]) -> list[Event]:
    """Return the events of all rounds, in the order they were recorded."""
    return sorted((e for r in rounds for e in r.events), key=lambda event: event.recorded_at)


def write_back(samples: Samples, store: RoundStore, rounds: Sequence[Round] | None = None) -> int:
    """Bring all samples to the state of the ledger; return how many changed."""
    rounds = store.all() if rounds is None else rounds
    events = ledger(rounds)
    return apply_states(samples, rounds, fold(events), undone_rounds(events), held_elsewhere(store))


def held_elsewhere(store: RoundStore) -> set[str]:
    """Return the ids in rounds of other label fields.

    A sample has one set of marks, so it is reviewed for one field; undoing the round frees it.
    """
    others = store.of_other_fields()
    undone = undone_rounds(ledger(others))
    return {i for r in others if r.number not in undone for i in r.sample_ids}


def served(rounds: Sequence[Round]) -> set[str]:
    """Return the ids that no new round may serve.

    A sample comes up again only when its round is undone, or was closed without an answer, or the
    answer was unsure or a conflict.
    """
    events = ledger(rounds)
    undone = undone_rounds(events)
    waiting = {
        sample_id
        for round_ in rounds
        if round_.closed_at is None and round_.number not in undone
        for sample_id in round_.sample_ids
    }
    decided = {i for i, state in fold(events).items() if state.outcome.decides}
    return waiting | decided


def draw_round(
    samples: Samples,
    store: RoundStore,
    rounds: Sequence[Round],
    quotas: Mapping[str, int],
    rival: str | None,
    controls: int,
    random_state: int,
    options: dict[str, Any],
) -> Round:
    """Draw the next batch of some classes after `rounds`; the new one is not on record yet.

    Raises
    ------
    RoundError
        When every sample of a class has been reviewed.
    """
    number = store.next_number()
    seed = random_state + number
    gone = served(rounds) | held_elsewhere(store)
    in_conflict = {
        i for i, state in fold(ledger(rounds)).items() if state.outcome is Outcome.CONFLICT
    }
    batch: list[BatchItem] = []
    vectors: list[NDArray[Any]] = []
    pools: dict[str, int] = {}
    for cls, share in share_controls(quotas, controls).items():
        queue = _read_queue(samples, cls)
        eligible = np.array([i not in gone for i in queue.ids], dtype=bool)
        if not eligible.any():
            raise RoundError(
                f"the queue of class {cls!r} in dataset {samples.dataset.name!r} is empty: every "
                "sample has been reviewed. Choose another class."
            )
        pools[cls] = int(eligible.sum())
        drawn = draw_batch(
            queue.ids,
            queue.importance,
            eligible,
            quotas[cls],
            share,
            random_state=seed,
            embeddings=queue.embeddings,
            first=np.array([i in in_conflict for i in queue.ids], dtype=bool),
        )
        batch += [queue.item(index, cls, len(batch) + k, c) for k, (index, c) in enumerate(drawn)]
        vectors.append(queue.embeddings[[index for index, _ in drawn]])
    return Round(
        number=number,
        label_field=samples.label_field,
        class_of_interest=next(iter(quotas)),
        rival=rival,
        config={
            "seed": seed,
            "test_duplicates": _test_duplicates(samples, np.concatenate(vectors)),
            "embeddings_field": samples.embeddings_field,
            "model": embedding_run.network_name(samples.dataset, samples.embeddings_field),
            "test_tag": samples.test_tag,
            "scorer_version": SCORER_VERSION,
            "version": __version__,
            "created_at": now(),
            "options": options,
        },
        batch=batch,
        pools=pools,
    )


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


def _read_queue(samples: Samples, class_name: str) -> _Queue:
    view = views.queue_view(samples, class_name)
    ids, embeddings, _ = read_vectors(view, samples.embeddings_field)
    columns = view.values(
        [
            "id",
            names.IMPORTANCE,
            names.WEIGHT,
            f"{names.SUGGESTED}.label",
            f"{names.SUGGESTED}.confidence",
        ]
    )
    # Two queries may sort ties differently.
    rows = {row[0]: row[1:] for row in zip(*columns, strict=True)}
    importance, weights, suggestions, probabilities = ([rows[i][k] for i in ids] for k in range(4))
    return _Queue(ids, embeddings, np.array(importance), weights, suggestions, probabilities)


def _test_duplicates(samples: Samples, batch: NDArray[Any]) -> int:
    """Count the samples of a batch that are near-duplicates of a test sample."""
    test = samples.test_view()
    if test is None:
        return 0
    _, embeddings, _ = read_vectors(test.exists(samples.embeddings_field), samples.embeddings_field)
    return len(np.unique(near_duplicates(batch, embeddings).query)) if len(embeddings) else 0


def check_images(
    samples: Samples, round_: Round, server: LabelStudioServer, project: Project
) -> ImageSource:
    """Make sure that reviewers can be shown every image of a round; return what will show them.

    Raises
    ------
    DataError
        Names the images that can't be read or shown.
    """
    ids = [item.sample_id for item in round_.batch]
    options = round_.config["options"]
    source = ImageSource(server, project.id, options["images"], _root(options))
    source.check(samples.column("filepath", ids))
    return source


def push(
    samples: Samples,
    store: RoundStore,
    rounds: Sequence[Round],
    round_: Round,
    server: LabelStudioServer,
    project: Project,
    progress: Progress | None,
    source: ImageSource | None = None,
) -> PushResult:
    """Send a round's tasks that are not on the server yet, and remember where they are."""
    # An answered task that is gone from the server is not made again: without its answer it would
    # look as if the answer had been taken back.
    wanted = round_.config["options"]["reviewers_per_task"]
    given: dict[str, list[int]] = defaultdict(list)
    for _, sample_id, annotation_id in sorted(recorded_answers(round_.events)):
        given[sample_id].append(annotation_id)
    voices = count_voices(round_.events)
    answered = _answered(round_)
    ids = [item.sample_id for item in round_.batch]
    paths = samples.column("filepath", ids)
    disagreement = samples.column(names.DISAGREEMENT, ids)
    tasks = [
        ReviewTask(
            sample_id=item.sample_id,
            image=paths[item.sample_id],
            rank=item.rank,
            of=len(round_.batch),
            label=item.label,
            suggested_label=item.suggested_label,
            suggested_probability=item.suggested_probability,
            note=_note(disagreement[item.sample_id]),
            earlier_answers=tuple(given[item.sample_id]),
            lacking=wanted - voices[item.sample_id] if item.sample_id in voices else None,
        )
        for item in round_.batch
        if item.sample_id in paths and item.sample_id not in answered
    ]
    # Sending is waiting for the server. It reads nothing here, so the samples may change.
    with meanwhile(_show_round, samples, store, rounds, round_):
        result = push_tasks(
            server,
            project,
            tasks,
            dataset_id=samples.dataset_id,
            label_field=samples.label_field,
            round=round_.number,
            images=round_.config["options"]["images"],
            root=_root(round_.config["options"]),
            source=source,
            progress=progress,
        )
    same = round_.project.get("id") == project.id and round_.project.get("server") == server.url
    round_.project = {
        "server": server.url,
        "id": project.id,
        "url": result.url,
        "cursor": round_.project.get("cursor") if same else None,
    }
    store.save(round_)
    return replace(result, existing=result.existing + len(answered))


def _show_round(
    samples: Samples, store: RoundStore, rounds: Sequence[Round], round_: Round
) -> None:
    """Mark the samples of a round and save its views."""
    write_back(samples, store, rounds)
    views.save_round_views(samples, round_)
    for cls in round_.classes:
        views.save_queue_view(samples, cls)


def _root(options: dict[str, Any]) -> Path | None:
    return Path(options["images_root"]) if options["images_root"] else None


def _note(disagreement: float | None) -> str:
    """Say why an image is shown, in words that are true of controls as well."""
    if disagreement is None:
        return ""
    return f"{disagreement:.0%} of the most similar images carry another label."


def given_classes(
    samples: Samples, rounds: Sequence[Round], *more: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return the classes a reviewer may give: the dataset's, and those that pushes add.

    `more` are the options of pushes that have no round on record yet.
    """
    pushes = [*(r.config["options"] for r in rounds), *more]
    added = [name for options in pushes for name in options.get("new_classes", ())]
    return tuple(dict.fromkeys([*samples.classes(), *added]))


def project_settings(
    samples: Samples, rounds: Sequence[Round], options: dict[str, Any]
) -> dict[str, Any]:
    """Return what `find_or_create_project` must know of this dataset and label field."""
    return {
        "dataset_id": samples.dataset_id,
        "dataset_name": samples.dataset.name,
        "label_field": samples.label_field,
        "classes": given_classes(samples, rounds, options),
        "reviewers_per_task": options["reviewers_per_task"],
        "hide_suggestion": options["hide_suggestion"],
        "smooth": not shows_small_images(samples),
    }


def shows_small_images(samples: Samples) -> bool:
    """Tell whether images have so few pixels that each counts; the first one stands for all."""
    try:
        with Image.open(samples.view.first().filepath) as image:
            return bool(max(image.size) <= _SMALL)
    except OSError:  # an address, or unreadable, which is reported elsewhere
        return False


def pull(samples: Samples, store: RoundStore, server: LabelStudioServer) -> PullReport:
    """Fetch what reviewers submitted since the last pull and write it back.

    Raises
    ------
    RoundError
        When no round has been pushed yet.
    ProjectMissingError
        When the project is no longer on the server; nothing here changes.
    """
    rounds = store.all()
    pushed = [r for r in rounds if r.project]
    if not pushed:
        raise RoundError(
            f"field {samples.label_field!r} of dataset {samples.dataset.name!r} has no round in "
            "Label Studio. Push one first: `coreset-cleaning push`."
        )
    # The project's own mark says that it is ours, not the address that it was once reached by.
    project = locate_project(
        server, samples.dataset_id, samples.label_field, pushed[-1].project["id"]
    )
    here = pushed
    for round_ in here:
        move_to(round_, server, project)
    cursors = [r.project["cursor"] for r in here]
    open_before = {r.number for r in here if r.closed_at is None}
    answers = pull_answers(
        server,
        project.id,
        dataset_id=samples.dataset_id,
        label_field=samples.label_field,
        classes=given_classes(samples, rounds),
        rounds={r.number: r.sample_ids for r in here},
        known=recorded_answers(ledger(here)),
        since=None if None in cursors else min(cursors),
        reviewers={r.number: r.config["options"]["reviewers_per_task"] for r in here},
    )
    under_review = {(r.number, item.sample_id): item.label for r in here for item in r.batch}
    reviews = [settle(a, under_review[a.round, a.sample_id]) for a in answers.reviews]
    recorded = ledger(rounds)
    events = new_events(recorded, reviews, answers.withdrawn, next_time(recorded, now()))
    present = samples.existing(i for r in here for i in r.sample_ids)
    closed = []
    for round_ in here:
        mine = [event for event in events if event.round == round_.number]
        round_.events.extend(mine)
        # What a user has removed from the dataset has no task and gets no answer.
        if round_.closed_at is None and (round_.sample_ids & present) <= _answered(round_):
            round_.closed_at = now()
            closed.append(round_.number)
        if mine or round_.number in closed or round_.project["cursor"] != answers.cursor:
            round_.project["cursor"] = answers.cursor
            store.save(round_)
    samples.list_classes(dict.fromkeys(r.new_label for r in reviews if r.new_label))
    changed = write_back(samples, store, rounds)
    open_ = open_round(here)
    last = open_ or here[-1]
    return PullReport(
        new_answers=sum(event.kind is EventKind.REVIEW for event in events),
        withdrawn=sum(event.kind is EventKind.WITHDRAW for event in events),
        changed=changed,
        outcomes=dict(Counter(s.outcome.value for s in fold(ledger(rounds)).values())),
        open_round=open_.number if open_ else None,
        answered=len(_answered(last)),
        total=len(last.batch),
        closed=closed,
        skipped=answers.skipped,
        problems=[str(problem) for problem in answers.problems],
        # Tasks of a closed round may be tidied away.
        missing={n: ids for n, ids in answers.missing.items() if ids and n in open_before},
        skips={n: ids for n, ids in answers.skips.items() if ids and n in open_before},
        surplus=sum(len(ids) for n, ids in answers.surplus.items() if n in open_before),
    )


def move_to(round_: Round, server: LabelStudioServer, project: Project) -> None:
    """Let a round's record say where its tasks are now; at another place all is read anew."""
    before = round_.project
    if (before["server"], before["id"]) == (server.url, project.id):
        return
    _, _, page = before["url"].partition("/projects/")
    _, _, rest = page.partition("/")
    round_.project = {
        "server": server.url,
        "id": project.id,
        "url": f"{server.url}/projects/{project.id}/{rest}",
        "cursor": None,
    }


def close(
    samples: Samples,
    store: RoundStore,
    round_: Round,
    server: LabelStudioServer | None,
    tidy_tasks: bool,
) -> CloseReport:
    """End a round; with a server, pull its last answers first and tidy up there."""
    tab_deleted, tasks_deleted = False, 0
    if server is not None and round_.project and _pull_if_there(samples, store, server):
        round_ = store.load(round_.number)
        project = round_.project["id"]
        # The tab goes first: it is what hands tasks out.
        tab_deleted = delete_round_tab(server, project, round_.number)
        own = {"dataset_id": samples.dataset_id, "label_field": samples.label_field}
        open_ = {r.number for r in store.all() if r.closed_at is None} - {round_.number}
        park_tasks(server, project, open_rounds=open_, **own)
        if tidy_tasks:
            tasks_deleted = delete_unanswered(
                server,
                project,
                dataset_id=samples.dataset_id,
                label_field=samples.label_field,
                round_=round_.number,
            )
    if round_.closed_at is None:
        round_.closed_at = now()
        store.save(round_)
    write_back(samples, store)
    return CloseReport(
        round=round_.number,
        answered=len(_answered(round_)),
        total=len(round_.batch),
        tab_deleted=tab_deleted,
        tasks_deleted=tasks_deleted,
    )


def _pull_if_there(samples: Samples, store: RoundStore, server: LabelStudioServer) -> bool:
    """Pull; return whether the project is still there."""
    try:
        pull(samples, store, server)
    except ProjectMissingError:
        return False
    return True


def upcoming_importance(
    samples: Samples,
    store: RoundStore,
    rounds: Sequence[Round],
    class_name: str,
    n: int,
    controls: int,
) -> NDArray[Any]:
    """Return the importance of what a further batch of a class would show.

    The top of the queue, and in place of random controls as many evenly spaced over the rest.
    """
    gone = served(rounds) | held_elsewhere(store)
    ids, importance = views.queue_view(samples, class_name).values(["id", names.IMPORTANCE])
    left = np.array([v for i, v in zip(ids, importance, strict=True) if i not in gone])
    top, rest = left[: max(n - controls, 0)], left[max(n - controls, 0) :]
    spaced = np.linspace(0, len(rest) - 1, min(controls, len(rest))).round().astype(int)
    return np.concatenate([top, rest[spaced]])


COUNTS = ("reviewed", "errors", "n_controls", "control_errors")


def count_by_class(round_: Round) -> dict[str, dict[str, int]]:
    """Return class to what its samples in a round came to, those undone one by one left out."""
    states = fold(of_answers(round_.events))
    counts = {cls: dict.fromkeys(COUNTS, 0) for cls in round_.classes}
    for item in round_.batch:
        state = states.get(item.sample_id)
        if state is None:
            continue
        wrong = state.outcome.is_error
        count = counts[item.label]
        count["reviewed"] += 1
        count["errors"] += wrong
        count["n_controls"] += item.control
        count["control_errors"] += wrong and item.control
    return counts


def _answered(round_: Round) -> set[str]:
    """Return the samples of a round that have all the answers wanted, undone or not."""
    return answered(round_.events, round_.config["options"]["reviewers_per_task"])
