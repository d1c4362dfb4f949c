"""The use case "compute the embeddings that are missing": which samples, with what, on record."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..core.errors import DataError
from ..reports import EmbeddingReport
from ..store import embedding_run, names, ownership
from ..store.samples import Samples
from ..store.vectors import (
    check_path_field,
    check_vector_field,
    declare,
    move_vectors,
    samples_without_vector,
    write_vectors,
)

if TYPE_CHECKING:
    from ..embedding.networks import Network

Progress = Callable[[float, str], None]

ENGINES = ("local", "ray")


def check_engine(engine: str) -> None:
    """Refuse an engine that there isn't."""
    if engine not in ENGINES:
        raise DataError(
            f"engine must be one of {', '.join(ENGINES)}, got {engine!r}.", "Name one of these."
        )


def compute_embeddings(
    samples: Samples,
    field: str,
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
    check_engine(engine)
    dataset = samples.dataset
    embedder = _Embedder(model, weights, image_size, batch_size, num_workers, engine)
    check_path_field(samples.view, path_field)
    check_vector_field(dataset, field)
    embedding_run.check_free(dataset, field)
    replaces = overwrite and dataset.has_field(field) and bool(samples.view.exists(field).limit(1))
    if replaces:
        target = _field_beside(samples, field, embedder.description)
    else:
        target = field
        embedding_run.check_same_network(dataset, field, embedder.description)
        declare(dataset, field)
    ids, paths = samples_without_vector(samples.view, target, path_field)
    if not replaces:
        embedding_run.record_network(dataset, field, embedder.description)
    total, seen = len(ids), 0

    def advance(images: int) -> None:
        nonlocal seen
        seen += images
        if progress and total:
            progress(seen / total, f"{seen} of {total} images")

    failures = embedder.run(dataset, target, ids, paths, advance)
    if replaces:
        _take_the_place(samples, field, target, failures)
    if replaces or embedder.description.get("precision"):
        embedding_run.record_network(dataset, field, embedder.description, anew=replaces)
    samples.view.match_tags(names.TAG_UNREADABLE).untag_samples(names.TAG_UNREADABLE)
    tags = samples.column("tags", [i for i, _ in failures])
    samples.set_values("tags", {i: [*others, names.TAG_UNREADABLE] for i, others in tags.items()})
    path_of = dict(zip(ids, paths, strict=True))
    return EmbeddingReport(
        field=field,
        model=embedder.description["model"],
        computed=seen - len(failures),
        present=len(samples.view) - len(ids),
        unreadable=[(str(path_of[i]), reason) for i, reason in failures],
    )


def _field_beside(samples: Samples, field: str, network: dict[str, Any]) -> str:
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
    declare(dataset, beside, ours=True)
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


class _Embedder:
    """A network by name, or a model that somebody made, with where it runs."""

    def __init__(
        self,
        model: Any,
        weights: str | os.PathLike[str] | None,
        image_size: int | None,
        batch_size: int | None,
        num_workers: int | None,
        engine: str,
    ) -> None:
        from ..embedding.any_model import describe_model, is_model
        from ..embedding.networks import load_network

        self._batch_size, self._num_workers = batch_size, num_workers
        self._ray = engine == "ray"
        self._network: Network | None = None
        self._model = model
        if isinstance(model, str):
            if self._ray:
                from ..ray.cluster import connect

                connect()
            self._network = load_network(model, weights, image_size)
            self.description = self._network.describe()
            return
        if not is_model(model):
            raise DataError(
                "model must be the name of a torchvision classifier or an object with embed or "
                f"embed_all, such as a model of FiftyOne's zoo; got {type(model).__name__}.",
                'Pass "resnet18" or such an object.',
            )
        given = {"weights": weights, "image_size": image_size}
        refused = [name for name, value in given.items() if value is not None]
        if refused or self._ray:
            raise DataError(
                f"{' and '.join(refused) or 'engine=ray'} must be used with the name of a network; "
                f"got a {type(model).__name__} object.",
                "Give it what it needs when you make it, and use it on one machine.",
            )
        self.description = describe_model(model)

    def run(
        self,
        dataset: Any,
        field: str,
        ids: Sequence[str],
        paths: Sequence[str],
        seen: Callable[[int], None],
    ) -> list[tuple[str, str]]:
        """Embed and write; give sample id and reason of the images that gave no vector."""
        if self._ray and self._network is not None:
            from ..ray.embedding import embed

            failures, precision = embed(
                self._network, dataset, field, ids, paths,
                batch_size=self._batch_size, num_workers=self._num_workers, seen=seen,
            )  # fmt: skip
            self.description["precision"] = precision
            return failures
        failures = []
        for indices, vectors, failed in self._batches(paths):
            found = {ids[i]: vector for i, vector in zip(indices, vectors, strict=True)}
            write_vectors(dataset, field, found)
            failures += [(ids[index], reason) for index, reason in failed]
            seen(len(indices) + len(failed))
        return failures

    def _batches(self, paths: Sequence[str]) -> Iterator[Any]:
        if self._network is None:
            from ..embedding.any_model import embed_with

            yield from embed_with(self._model, paths, self._batch_size)
            return
        from ..embedding.extractor import extract

        extraction = extract(
            self._network, paths, batch_size=self._batch_size, num_workers=self._num_workers
        )
        for batch in extraction:
            self.description["precision"] = extraction.precision
            yield batch
