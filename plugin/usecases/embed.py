"""The use case "compute the embeddings that are missing": which samples, with what, on record."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ..core.errors import DataError
from ..reports import EmbeddingReport
from ..store import embedding_run, ownership
from ..store.labels import LabelField
from ..store.samples import Samples
from ..store.vectors import check_path_field, move_vectors
from .embedder import Embedder, Images, Objects

Progress = Callable[[float, str], None]

ENGINES = ("local", "ray")


def check_engine(engine: str, labels: LabelField) -> None:
    """Refuse an engine that there isn't, or that knows nothing of labels of this kind."""
    if engine not in ENGINES:
        raise DataError(
            f"engine must be one of {', '.join(ENGINES)}, got {engine!r}.", "Name one of these."
        )
    if engine == "ray" and labels.of_crops:
        raise DataError(
            f"the objects of field {labels.name!r} must be embedded and scored on one machine, got "
            "engine='ray'.",
            "Leave engine out.",
        )


def compute_embeddings(
    labels: LabelField,
    model: Any,
    weights: str | os.PathLike[str] | None = None,
    batch_size: int | None = None,
    num_workers: int | None = None,
    *,
    image_size: int | None = None,
    path_field: str = "filepath",
    engine: str = "local",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> EmbeddingReport:
    """Compute and write what is missing; see `CleaningLoop.compute_embeddings`.

    Everything that can be refused is refused first. What is overwritten stays until all that takes
    its place is there, in a field beside it; a run that was killed goes on with that.
    """
    check_engine(engine, labels)
    samples, dataset, field = labels.samples, labels.dataset, labels.embeddings_field
    embedder = Embedder(model, weights, image_size, batch_size, num_workers, engine)
    check_path_field(samples.view, path_field)
    what: Images | Objects = Images(samples)
    if labels.of_crops:
        what = Objects(labels)
        embedder.of_crops()
    what.check(field)
    embedding_run.check_free(dataset, field)
    replaces = overwrite and dataset.has_field(field) and bool(samples.view.exists(field).limit(1))
    if replaces:
        target = _field_beside(samples, what, field, embedder.description)
    else:
        target = field
        embedding_run.check_same_network(dataset, field, embedder.description)
        what.declare(field)
    todo = what.lacking(target, path_field)
    if not replaces:
        embedding_run.record_network(dataset, field, embedder.description)
    seen = 0

    def advance(done: int) -> None:
        nonlocal seen
        seen += done
        if progress and todo.total:
            progress(seen / todo.total, f"{seen} of {todo.total} {what.things}")

    failures = what.embed(embedder, target, todo, advance)
    if replaces:
        _take_the_place(samples, field, target, what.samples_without(todo, failures))
    if replaces or embedder.description.get("precision"):
        embedding_run.record_network(dataset, field, embedder.description, anew=replaces)
    unreadable = what.tag_unreadable(field, failures)
    return EmbeddingReport(
        field=field,
        model=embedder.description["model"],
        computed=seen - len(failures),
        present=todo.present,
        unreadable=unreadable,
    )


def _field_beside(
    samples: Samples, what: Images | Objects, field: str, network: dict[str, Any]
) -> str:
    """Return the field that takes new vectors until all are there, with what a killed run left."""
    dataset, beside = samples.dataset, field.replace(".", "_") + "_being_replaced"
    outside = samples.everything().exists(field).count() - samples.view.exists(field).count()
    if outside:
        # Vectors outside the view stay, so the new ones must go with them.
        embedding_run.check_same_network(dataset, field, network)
    if dataset.has_field(beside):
        if not ownership.is_ours(dataset, beside):
            raise DataError(
                f"dataset {dataset.name!r} has a field {beside!r} of its own, where the new "
                f"vectors of {field!r} would be collected.",
                f"Rename yours: dataset.rename_sample_field({beside!r}, NEW_NAME).",
            )
        if not embedding_run.is_same_network(dataset, beside, network):
            dataset.delete_sample_field(beside)  # of another try
    what.declare(beside, ours=True)
    embedding_run.record_network(dataset, beside, network)
    return beside


def _take_the_place(
    samples: Samples, field: str, beside: str, failures: list[tuple[str, str]]
) -> None:
    """Move the new vectors to where the old ones are; where an image gave none, none is left."""
    dataset = samples.dataset
    if not samples.everything().exists(beside).limit(1):
        dataset.delete_sample_field(beside)
        embedding_run.forget(dataset, beside)
        path, reason = failures[0] if failures else ("", "there are no images")
        raise DataError(
            f"no image of dataset {dataset.name!r} gave a vector (sample {path}: {reason}); those "
            f"in {field!r} are left as they were.",
            "Check the model and the images, then run it again.",
        )
    move_vectors(dataset, beside, field, [i for i, _ in failures])
    dataset.delete_sample_field(beside)
    embedding_run.forget(dataset, beside)
