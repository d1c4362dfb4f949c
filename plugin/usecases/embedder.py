"""What computes embeddings, and what of a dataset it computes them of: images, or objects."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..core.errors import DataError
from ..store import crops, names
from ..store.crops import Embedded, ImageObjects
from ..store.labels import LabelField
from ..store.records import Records
from ..store.samples import Samples
from ..store.selection import Selection, Split
from ..store.vectors import (
    check_vector_field,
    declare,
    samples_without_vector,
    write_vectors,
)

if TYPE_CHECKING:
    from ..embedding.networks import Network

Failures = list[tuple[str, str]]
Seen = Callable[[int], None]


class Embedder:
    """A network by name, or a model that somebody made, with where it runs.

    Attributes
    ----------
    description : dict
        What decides the values of its vectors, for the record.
    """

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

    def of_crops(self) -> None:
        """Make it one of boxes, which are cut out of their images."""
        from ..embedding.crops import MARGIN

        self.description["preprocessing"] = {
            "of_images": self.description["preprocessing"],
            "crop_margin": MARGIN,
        }

    def embed_images(
        self, dataset: Any, target: str, ids: Sequence[str], paths: Sequence[str], seen: Seen
    ) -> Failures:
        """Embed and write; give sample id and reason of the images that gave no vector."""
        if self._ray and self._network is not None:
            from ..ray.embedding import embed

            failures, precision = embed(
                self._network, dataset, target, ids, paths,
                batch_size=self._batch_size, num_workers=self._num_workers, seen=seen,
            )  # fmt: skip
            self.description["precision"] = precision
            return failures
        failures = []
        for indices, vectors, failed in self._batches(paths):
            found = {ids[i]: vector for i, vector in zip(indices, vectors, strict=True)}
            write_vectors(dataset, target, found)
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

    def crop_batches(self, images: Sequence[tuple[str, Any]]) -> Iterator[Any]:
        """Embed boxes of images: positions are those of the boxes, counted through."""
        from ..embedding.crops import CropExtraction, embed_crops_with

        if self._network is None:
            yield from embed_crops_with(self._model, images, self._batch_size)
            return
        extraction = CropExtraction(self._network, images, self._batch_size)
        for batch in extraction:
            self.description["precision"] = extraction.precision
            yield batch


@dataclass(frozen=True)
class Todo:
    """What lacks a vector.

    Attributes
    ----------
    total, present : int
        Vectors to compute, and those that are there.
    ids, paths : list of str
        Of samples.
    images : list of ImageObjects
        Their objects, if vectors are of these.
    """

    total: int
    present: int
    ids: list[str]
    paths: list[str]
    images: list[ImageObjects] = field(default_factory=list)


class Images:
    """Whole images: a vector a sample."""

    things = "images"

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self._path_of: dict[str, str] = {}

    def check(self, target: str) -> None:
        """Make sure that vectors can be written to a field, which need not exist."""
        check_vector_field(self._samples.dataset, target)

    def declare(self, target: str, ours: bool = False) -> None:
        """Make sure that the dataset has the field."""
        declare(self._samples.dataset, target, ours)

    def lacking(self, target: str, path_field: str) -> Todo:
        """Return what lacks a vector in the field."""
        ids, paths = samples_without_vector(self._samples.view, target, path_field)
        self._path_of = dict(zip(ids, paths, strict=True))
        return Todo(len(ids), len(self._samples.view) - len(ids), ids, paths)

    def embed(self, embedder: Embedder, target: str, todo: Todo, seen: Seen) -> Failures:
        """Embed and write what lacks a vector; give ids and reasons of what gave none."""
        return embedder.embed_images(self._samples.dataset, target, todo.ids, todo.paths, seen)

    def samples_without(self, todo: Todo, failures: Failures) -> Failures:
        """Return the samples that have got no vector, with the reason."""
        return failures

    def tag_unreadable(self, target: str, failures: Failures) -> Failures:
        """Tag what gave no vector and nothing else; return it by its path."""
        samples, tag = self._samples, names.TAG_UNREADABLE
        samples.view.match_tags(tag).untag_samples(tag)
        samples.select(i for i, _ in failures).tag_samples(tag)
        return [(str(self._path_of[i]), reason) for i, reason in failures]


class Objects:
    """Objects: a vector for what each box cuts out of its image."""

    things = "objects"

    def __init__(self, labels: LabelField) -> None:
        self._labels = labels
        self._path_of: dict[str, str] = {}

    def check(self, target: str) -> None:
        """Make sure that vectors can be written to a field, and that our tag is free."""
        labels, tag = self._labels, names.TAG_UNREADABLE
        crops.check_crop_field(labels.dataset, target)
        tagged = Selection(Split.EVERYTHING, with_tags=(tag,))
        if not Records(labels.dataset).heads("embedding") and labels.count(tagged, limit=1):
            raise DataError(
                f"objects of field {labels.name!r} have a tag {tag!r} that this project did not "
                "set.",
                f"Rename it: view = dataset.match_labels(tags={tag!r}); "
                f"view.tag_labels(NEW_TAG); view.untag_labels({tag!r})",
            )

    def declare(self, target: str, ours: bool = True) -> None:
        """Make sure that the dataset has the field, which is always ours."""
        crops.declare_crops(self._labels.dataset, target)
        self._labels.make_indexes()

    def lacking(self, target: str, path_field: str) -> Todo:
        """Return what lacks a vector in the field."""
        view = self._labels.samples.view
        images, present = crops.objects_without_vector(view, self._labels.name, target, path_field)
        self._path_of = {i: image.path for image in images for i in image.ids}
        ids, paths = [i.sample_id for i in images], [i.path for i in images]
        return Todo(sum(len(image.ids) for image in images), present, ids, paths, images)

    def embed(self, embedder: Embedder, target: str, todo: Todo, seen: Seen) -> Failures:
        """Embed what lacks a vector; an image is written when all of its objects are done."""
        from ..embedding.crops import TOO_SMALL

        failures: Failures = []
        waiting = iter(todo.images)
        current: ImageObjects | None = next(waiting, None)
        first = 0  # the position of its first object
        results: dict[int, Any] = {}
        for indices, vectors, failed in embedder.crop_batches(
            [(image.path, image.boxes) for image in todo.images]
        ):
            results |= {int(i): v for i, v in zip(indices, vectors, strict=True)} | dict(failed)
            done = []
            while current is not None and all(
                first + k in results for k in range(len(current.ids))
            ):
                mine = {i: results.pop(first + k) for k, i in enumerate(current.ids)}
                reasons = {i: r for i, r in mine.items() if isinstance(r, str)}
                failures += reasons.items()
                small = {i for i, reason in reasons.items() if reason.startswith(TOO_SMALL)}
                found = {i: v for i, v in mine.items() if i not in reasons}
                if found or small:
                    done.append(Embedded(current, found, small))
                first += len(current.ids)
                current = next(waiting, None)
            crops.write_crops(self._labels.dataset, target, done)
            seen(len(indices) + len(failed))
        return failures

    def samples_without(self, todo: Todo, failures: Failures) -> Failures:
        """Return the samples whose objects all got no vector, with the reason."""
        reasons = dict(failures)
        return [
            (image.sample_id, reasons[image.ids[0]])
            for image in todo.images
            if all(i in reasons for i in image.ids)
        ]

    def tag_unreadable(self, target: str, failures: Failures) -> Failures:
        """Tag what gave no vector and nothing else; return it by its path and id."""
        from ..embedding.crops import SMALLEST, TOO_SMALL

        labels, tag = self._labels, names.TAG_UNREADABLE
        reasons = dict(failures)
        small = f"{TOO_SMALL} {SMALLEST} pixels high or wide"
        for i in crops.too_small_ids(labels.samples.view, target):
            reasons.setdefault(i, small)
        ids, before = labels.values(Selection(Split.VIEW, with_tags=(tag,)), [labels.tags_path])
        old = dict(zip(ids, before, strict=True))
        new = labels.columns([labels.tags_path], [i for i in reasons if i not in old])
        labels.set_tags(
            {
                **{i: [t for t in tags if t != tag] for i, tags in old.items() if i not in reasons},
                **{i: [*tags, tag] for i, (tags,) in new.items()},
            }
        )
        paths = self._path_of | labels.images(i for i in reasons if i not in self._path_of)
        return [(f"{paths[i]}, object {i}", why) for i, why in reasons.items() if i in paths]
