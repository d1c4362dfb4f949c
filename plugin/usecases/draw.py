"""Which labels the next round shows: the scope that was asked for, and the draw from its queues."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, RoundError
from ..core.review.queue import (
    BatchItem,
    default_max_per_class,
    draw_batch,
    share_controls,
    split_evenly,
)
from ..core.review.round import Round
from ..core.review.rounds import Rounds
from ..core.review.scope import TEST_SPLIT, Classes, Scope, read_scope
from ..core.scoring.duplicates import find_leaks
from ..core.scoring.importance import SCORER_VERSION
from ..store import embedding_run, views
from ..store.label_rows import weight_or_one
from ..store.queues import Queue, read_queue
from ..store.rounds import now
from ..store.selection import Split
from ..version import __version__
from .confuse import find_confused_pair
from .workspace import Workspace

# ---- which queues


@dataclass(frozen=True)
class Wanted:
    """What a push asks for.

    Attributes
    ----------
    scope : str, list of str or None
    classes : str, list of str, dict of str to int or None
    max_per_class : int or None
        Of a round of the whole dataset.
    gold : int
        Images with a swapped label beside the batch.
    """

    scope: str | Sequence[str] | None = None
    classes: Classes = None
    max_per_class: int | None = None
    gold: int = 0

    def size(self, n: int) -> int:
        """Return the samples wanted: quotas name them class by class.

        Raises
        ------
        DataError
            When scope and classes can't be meant so.
        """
        _, classes = read_scope(self.scope, self.classes)
        return n if classes is None else sum(_quotas(classes, n).values())


@dataclass(frozen=True)
class Choice:
    """The queues that a round is drawn from.

    Attributes
    ----------
    quotas : dict of str or None to int
        Samples wanted of each class's queue, or under None of that of the whole dataset.
    rival : str or None
        What the class is confused with.
    max_per_class : int or None
    """

    quotas: dict[str | None, int]
    rival: str | None = None
    max_per_class: int | None = None

    @classmethod
    def of_classes(cls, quotas: Mapping[str, int], rival: str | None) -> Choice:
        """Choose the queues of classes."""
        return cls(dict(zip(quotas, quotas.values(), strict=True)), rival)

    @property
    def queues(self) -> list[str | None]:
        """The queues by class; None is that of the whole dataset."""
        return list(self.quotas)

    @property
    def scope(self) -> Scope:
        """What it is a choice of."""
        return Scope.DATASET if None in self.quotas else Scope.CLASS


def choose(work: Workspace, rounds: Rounds, wanted: Wanted, n: int) -> Choice:
    """Return the queues as asked, as in the last round, or of the class that is confused most.

    Raises
    ------
    DataError
        When scope, classes or the most of a class can't be meant so.
    """
    scope, classes = read_scope(wanted.scope, wanted.classes)
    last = rounds[-1] if len(rounds) else None
    if scope is None and last is not None:
        scope = last.scope
    if scope is Scope.DATASET:
        return Choice({None: n}, None, wanted.max_per_class)
    if wanted.max_per_class is not None:
        raise DataError(
            "max_per_class must be left out when the queue is not that of the whole dataset, got "
            f"{wanted.max_per_class}.",
            'Pass scope="dataset" with it, or say how many samples of each class you want: '
            "class_of_interest={...}.",
        )
    of_classes = [r for r in rounds if r.scope is Scope.CLASS]
    if classes is not None:
        quotas = _quotas(classes, n)
        rivals = [r.rival for r in of_classes if r.class_of_interest == next(iter(quotas))]
        return Choice.of_classes(quotas, rivals[-1] if rivals else None)
    if of_classes:
        return Choice.of_classes(split_evenly(n, of_classes[-1].classes), of_classes[-1].rival)
    pair = find_confused_pair(work)
    return Choice.of_classes({pair.class_of_interest: n}, pair.rival)


def _quotas(asked: str | Sequence[str] | Mapping[str, int], n: int) -> dict[str, int]:
    """Return the samples wanted of each class."""
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


# ---- which labels


def draw_round(
    work: Workspace, rounds: Rounds, choice: Choice, controls: int, options: dict[str, Any]
) -> Round:
    """Draw the next batch from some queues after `rounds`; it is not on record yet.

    Raises
    ------
    RoundError
        When every label of a queue has been reviewed.
    """
    number = work.store.next_number()
    seed = work.random_state + number
    batch: list[BatchItem] = []
    pools: dict[str, int] = {}
    limit = choice.max_per_class
    for cls, share in share_controls(choice.quotas, controls).items():
        queue = read_queue(work.labels, views.known_queue(work.labels, cls))
        eligible = queue.eligible(rounds)
        if not eligible.any():
            raise _nothing_left(work, cls, len(queue.ids))
        pool = _count(queue.classes, eligible)
        pools |= pool
        if cls is None and limit is None:
            limit = default_max_per_class(choice.quotas[cls], len(pool))
        drawn = draw_batch(
            queue.ids,
            queue.importance,
            eligible,
            choice.quotas[cls],
            share,
            random_state=seed,
            embeddings=partial(_vectors, work, queue.ids),
            first=np.array([i in rounds.in_conflict for i in queue.ids], dtype=bool),
            classes=queue.classes if cls is None else None,
            max_per_class=limit,
        )
        batch += _items(work, queue, drawn, len(batch))
    embeddings_field, dataset = work.labels.embeddings_field, work.samples.dataset
    boxes = work.labels.boxes(item.sample_id for item in batch)
    return Round(
        number=number,
        label_field=work.labels.name,
        class_of_interest=_class_of_interest(choice, batch),
        rival=choice.rival,
        config={
            "seed": seed,
            "test_duplicates": _test_duplicates(work, [item.sample_id for item in batch]),
            "unscored": sum(_count_unscored(work, cls) for cls in choice.queues),
            "embeddings_field": embeddings_field,
            "model": embedding_run.network_name(dataset, embeddings_field),
            "scores": work.labels.score_record(),
            "test_tag": work.samples.test_tag,
            "scorer_version": SCORER_VERSION,
            "version": __version__,
            "created_at": now(),
            "options": {**options, "scope": choice.scope.value, "max_per_class": limit},
            **({"boxes": boxes} if boxes else {}),
            **({"split": TEST_SPLIT} if work.samples.of_test_split else {}),
        },
        batch=batch,
        pools=pools,
        home=work.samples.dataset_id,
    )


def _class_of_interest(choice: Choice, batch: Sequence[BatchItem]) -> str:
    """Return the first class asked for; of the whole dataset, the one with the most labels."""
    first = choice.queues[0]
    if first is not None:
        return first
    shown = sorted(item.label for item in batch)
    return max(shown, key=shown.count)


def _count(classes: Sequence[str], eligible: NDArray[np.bool_]) -> dict[str, int]:
    """Return class to number of labels that could be served."""
    counts: dict[str, int] = {}
    for name, may in zip(classes, eligible.tolist(), strict=True):
        if may:
            counts[name] = counts.get(name, 0) + 1
    return counts


def _nothing_left(work: Workspace, cls: str | None, in_queue: int) -> RoundError:
    unscored = _count_unscored(work, cls)
    name = work.samples.dataset.name
    queue = f"the queue of class {cls!r} in dataset {name!r}"
    if cls is None:
        queue = f"the queue of the whole dataset {name!r}"
    if unscored and not in_queue:
        return RoundError(
            f"{queue} is empty: {unscored} of its labels have no score.",
            "Compute importance again: `coreset-cleaning score`.",
        )
    return RoundError(
        f"{queue} is empty: every sample has been reviewed.",
        "Choose another class." if cls is not None else "There is nothing left to push.",
    )


def _count_unscored(work: Workspace, cls: str | None) -> int:
    """Count the labels that no queue can show, because they have no score."""
    return work.labels.count(views.unscored(work.labels, cls))


def _items(
    work: Workspace, queue: Queue, drawn: Sequence[tuple[int, bool]], rank: int
) -> list[BatchItem]:
    """Return what is known of the labels that were drawn."""
    ours = work.labels.names
    fields = [ours.weight, f"{ours.suggested}.label", f"{ours.suggested}.confidence", ours.wrong]
    known = work.labels.columns(fields, [queue.ids[row] for row, _ in drawn])
    items = []
    for k, (row, control) in enumerate(drawn):
        weight, suggestion, probability, wrong = known[queue.ids[row]]
        if suggestion is None:
            raise DataError(
                f"label {queue.ids[row]} of dataset {work.samples.dataset.name!r} must have a "
                f"suggestion; {ours.suggested!r} lacks it.",
                "Compute them again: `coreset-cleaning score` or loop.compute_importance()",
            )
        items.append(
            BatchItem(
                sample_id=queue.ids[row],
                rank=rank + k,
                importance=float(queue.importance[row]),
                label=queue.classes[row],
                weight=weight_or_one(weight),
                control=control,
                suggested_label=suggestion,
                suggested_probability=float(probability),
                wrong_probability=None if wrong is None else float(wrong),
            )
        )
    return items


def _vectors(work: Workspace, of: Sequence[str], rows: Iterable[int]) -> NDArray[Any]:
    """Read the embeddings of some of the labels, in the order of the rows."""
    return work.labels.vectors_of([of[row] for row in rows])


def _test_duplicates(work: Workspace, batch: Sequence[str]) -> int:
    """Count the labels of a batch that are near-duplicates of one of the test split.

    By the rule of the doctor's search for leaks: both are about the same images.
    """
    if work.samples.test_view() is None:
        return 0
    _, embeddings, _ = work.labels.vectors(Split.TEST)
    if not len(embeddings):
        return 0
    vectors = _vectors(work, batch, range(len(batch)))
    return len(find_leaks(vectors, embeddings).query)
