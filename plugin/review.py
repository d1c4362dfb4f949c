"""One round through review: draw a batch, push it, pull the answers, write them back.

The ledger comes first: a round is on record before Label Studio hears of it, and an answer is in
the ledger before a sample changes. A crash anywhere is mended by calling the same again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .core.duplicates import near_duplicates
from .core.errors import ProjectMissingError, RoundError
from .core.importance import SCORER_VERSION
from .core.ledger import Event, fold, new_events, recorded_answers, undone_rounds
from .core.queue import BatchItem, draw_batch
from .labelstudio.cleanup import delete_round_tab, delete_unanswered
from .labelstudio.connection import LabelStudioServer
from .labelstudio.images import ImageSource
from .labelstudio.project import Project, find_or_create_project, require_project
from .labelstudio.pull import pull_answers
from .labelstudio.push import PushResult, ReviewTask, push_tasks
from .reports import CloseReport, PullReport
from .store import names, views
from .store.reviews import apply_states
from .store.rounds import Round, RoundStore, now
from .store.samples import Samples
from .store.vectors import read_vectors
from .version import __version__

Progress = Callable[[float, str], None]


def ledger(rounds: Sequence[Round]) -> list[Event]:
    """Return the events of all rounds, in the order they were recorded."""
    return sorted((e for r in rounds for e in r.events), key=lambda event: event.recorded_at)


def write_back(samples: Samples, rounds: Sequence[Round]) -> int:
    """Bring all samples to the state of the ledger; return how many changed."""
    events = ledger(rounds)
    return apply_states(samples, rounds, fold(events), undone_rounds(events))


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
    class_of_interest: str,
    rival: str | None,
    n: int,
    controls: int,
    random_state: int,
    options: dict[str, Any],
) -> Round:
    """Draw the next batch of a class; the round is not on record yet.

    Raises
    ------
    RoundError
        When every sample of the class has been reviewed.
    """
    number = store.next_number()
    queue = views.queue_view(samples, class_of_interest)
    ids, importance, weights, suggestions, probabilities = queue.values(
        [
            "id",
            names.IMPORTANCE,
            names.WEIGHT,
            f"{names.SUGGESTED}.label",
            f"{names.SUGGESTED}.confidence",
        ]
    )
    gone = served(store.all())
    eligible = np.array([i not in gone for i in ids], dtype=bool)
    if not eligible.any():
        raise RoundError(
            f"the queue of class {class_of_interest!r} in dataset {samples.dataset.name!r} is "
            "empty: every sample has been reviewed. Choose another class."
        )
    seed = random_state + number
    _, embeddings, _ = read_vectors(queue, samples.embeddings_field)
    drawn = draw_batch(
        ids,
        np.array(importance),
        eligible,
        n,
        controls,
        random_state=seed,
        embeddings=embeddings,
    )
    batch = [
        BatchItem(
            sample_id=ids[index],
            rank=rank,
            importance=float(importance[index]),
            label=class_of_interest,
            weight=float(weights[index]),
            control=control,
            suggested_label=suggestions[index],
            suggested_probability=float(probabilities[index]),
        )
        for rank, (index, control) in enumerate(drawn)
    ]
    return Round(
        number=number,
        label_field=samples.label_field,
        class_of_interest=class_of_interest,
        rival=rival,
        config={
            "seed": seed,
            "pool": int(eligible.sum()),
            "test_duplicates": _test_duplicates(samples, embeddings[[row for row, _ in drawn]]),
            "embeddings_field": samples.embeddings_field,
            "test_tag": samples.test_tag,
            "scorer_version": SCORER_VERSION,
            "version": __version__,
            "created_at": now(),
            "options": options,
        },
        batch=batch,
    )


def _test_duplicates(samples: Samples, batch: NDArray[Any]) -> int:
    """Count the samples of a batch that are near-duplicates of a test sample."""
    test = samples.test_view()
    if test is None:
        return 0
    _, embeddings, _ = read_vectors(test.exists(samples.embeddings_field), samples.embeddings_field)
    return len(np.unique(near_duplicates(batch, embeddings).query)) if len(embeddings) else 0


def check_images(
    samples: Samples, round_: Round, server: LabelStudioServer, project: Project
) -> None:
    """Make sure that reviewers can be shown every image of a round.

    Raises
    ------
    DataError
        Names the images that can't be read or shown.
    """
    ids = [item.sample_id for item in round_.batch]
    options = round_.config["options"]
    source = ImageSource(server, project.id, options["images"], _root(options))
    source.check(samples.column("filepath", ids))


def push(
    samples: Samples,
    store: RoundStore,
    round_: Round,
    server: LabelStudioServer,
    project: Project,
    progress: Progress | None,
) -> PushResult:
    """Send a round's tasks that are not on the server yet, and remember where they are."""
    write_back(samples, store.all())
    views.save_round_views(samples, round_)
    views.save_queue_view(samples, round_.class_of_interest)
    # An answered task that is gone from the server is not made again: without its answer it would
    # look as if the answer had been taken back.
    answered = {sample_id for _, sample_id, _ in recorded_answers(round_.events)}
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
        )
        for item in round_.batch
        if item.sample_id in paths and item.sample_id not in answered
    ]
    result = push_tasks(
        server,
        project,
        tasks,
        dataset_id=samples.dataset_id,
        label_field=samples.label_field,
        round=round_.number,
        images=round_.config["options"]["images"],
        root=_root(round_.config["options"]),
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


def _root(options: dict[str, Any]) -> Path | None:
    return Path(options["images_root"]) if options["images_root"] else None


def _note(disagreement: float | None) -> str:
    """Say why an image is shown, in words that are true of controls as well."""
    if disagreement is None:
        return ""
    return f"{disagreement:.0%} of the most similar images carry another label."


def open_project(samples: Samples, server: LabelStudioServer, options: dict[str, Any]) -> Project:
    """Find or make the review project of this dataset and label field."""
    return find_or_create_project(
        server,
        dataset_id=samples.dataset_id,
        dataset_name=samples.dataset.name,
        label_field=samples.label_field,
        classes=samples.classes(),
        reviewers_per_task=options["reviewers_per_task"],
        hide_suggestion=options["hide_suggestion"],
    )


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
    # Rounds of an earlier project, or of another server, have nothing to say there any more.
    project = {k: pushed[-1].project[k] for k in ("server", "id")}
    here = [r for r in pushed if {k: r.project[k] for k in ("server", "id")} == project]
    cursors = [r.project["cursor"] for r in here]
    open_before = {r.number for r in here if r.closed_at is None}
    answers = pull_answers(
        server,
        project["id"],
        dataset_id=samples.dataset_id,
        label_field=samples.label_field,
        classes=samples.classes(),
        rounds={r.number: r.sample_ids for r in here},
        known=recorded_answers(ledger(here)),
        since=None if None in cursors else min(cursors),
    )
    events = new_events(ledger(rounds), answers.reviews, answers.withdrawn, now())
    closed = []
    for round_ in here:
        mine = [event for event in events if event.round == round_.number]
        round_.events.extend(mine)
        if round_.closed_at is None and _answered(round_) == len(round_.batch):
            round_.closed_at = now()
            closed.append(round_.number)
        if mine or round_.number in closed or round_.project["cursor"] != answers.cursor:
            round_.project["cursor"] = answers.cursor
            store.save(round_)
    changed = write_back(samples, rounds)
    last = here[-1]
    return PullReport(
        new_answers=sum(event.kind.value == "review" for event in events),
        withdrawn=sum(event.kind.value == "withdraw" for event in events),
        changed=changed,
        outcomes=dict(Counter(s.outcome.value for s in fold(ledger(rounds)).values())),
        open_round=None if last.closed_at else last.number,
        answered=_answered(last),
        total=len(last.batch),
        closed=closed,
        skipped=answers.skipped,
        problems=[str(problem) for problem in answers.problems],
        # Tasks of a closed round may be tidied away.
        missing={n: ids for n, ids in answers.missing.items() if ids and n in open_before},
    )


def close(
    samples: Samples,
    store: RoundStore,
    round_: Round,
    server: LabelStudioServer | None,
    tidy_tasks: bool,
) -> CloseReport:
    """End a round; with a server, pull its last answers first and tidy up there."""
    tab_deleted, tasks_deleted = False, 0
    if server is not None and round_.project and _pull_if_there(samples, store, round_, server):
        round_ = store.load(round_.number)
        project = round_.project["id"]
        # The tab goes first: it is what hands tasks out.
        tab_deleted = delete_round_tab(server, project, round_.number)
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
    write_back(samples, store.all())
    return CloseReport(
        round=round_.number,
        answered=_answered(round_),
        total=len(round_.batch),
        tab_deleted=tab_deleted,
        tasks_deleted=tasks_deleted,
    )


def _pull_if_there(
    samples: Samples, store: RoundStore, round_: Round, server: LabelStudioServer
) -> bool:
    """Pull; return whether the round's project is still there."""
    try:
        pull(samples, store, server)
        require_project(server, round_.project["id"])
    except ProjectMissingError:
        return False
    return True


def _answered(round_: Round) -> int:
    """Count the samples of a round that as many reviewers as asked have answered, undone or not."""
    wanted = round_.config["options"]["reviewers_per_task"]
    states = fold([event for event in round_.events if event.kind.value in ("review", "withdraw")])
    return sum(len(state.reviewers) >= wanted for state in states.values())
