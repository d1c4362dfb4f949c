"""The samples that are cleaned: which they are, what they hold, what is written on them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import fiftyone as fo
import numpy as np
from fiftyone import ViewField as F
from numpy.typing import NDArray

from ..core.errors import DataError
from . import appearance, embedding_run, names
from .vector_cache import read_cached
from .vectors import read_vectors


@dataclass(frozen=True)
class Rows:
    """Labeled samples as arrays, all in the same order.

    Attributes
    ----------
    ids : list of str
        Sample ids.
    labels : ndarray of int, shape (n,)
        Index into `classes` of each sample's current label.
    weights : ndarray of float, shape (n,)
        Sample weights; 0 for deleted.
    embeddings : ndarray of float32, shape (n, d)
        One row a sample.
    classes : tuple of str
        Class names.
    """

    ids: list[str]
    labels: NDArray[np.int64]
    weights: NDArray[np.float64]
    embeddings: NDArray[np.float32]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)


class Samples:
    """A dataset or view, with the field that is cleaned and the tag of its test split.

    Parameters
    ----------
    dataset_or_view : fiftyone.Dataset or fiftyone.DatasetView
        What is cleaned. Samples outside a view are never read or changed.
    label_field : str
        A ``Classification`` field.
    embeddings_field : str
        A ``VectorField``; need not exist yet.
    test_tag : str or None
        Tag of the test split, which is never queued and never changed.
    cache_dir : path, optional
        Folder for memory-mapped copies of the embeddings. Default: none are made.
    """

    def __init__(
        self,
        dataset_or_view: Any,
        label_field: str,
        embeddings_field: str,
        test_tag: str | None,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        if not isinstance(dataset_or_view, fo.Dataset | fo.DatasetView):
            raise DataError(
                "dataset_or_view must be a fiftyone.Dataset or a view of one, "
                f"got {type(dataset_or_view).__name__}."
            )
        self.view = dataset_or_view
        self.dataset: fo.Dataset = dataset_or_view._dataset
        self.label_field = label_field
        self.embeddings_field = embeddings_field
        self.test_tag = test_tag
        self.cache_dir = cache_dir
        self._check_label_field()

    def check_unlocked(self) -> None:
        """Make sure that labels can be changed.

        Raises
        ------
        DataError
            When the label field is read-only.
        """
        field = self.dataset.get_field(self.label_field)
        if field.read_only:
            raise DataError(
                f"field {self.label_field!r} of dataset {self.dataset.name!r} must not be "
                "read-only: verdicts change its labels. Unlock it: field = "
                f"dataset.get_field({self.label_field!r}); field.read_only = False; field.save()"
            )

    def _check_label_field(self) -> None:
        schema = self.dataset.get_field_schema()
        field = schema.get(self.label_field)
        kind = getattr(field, "document_type", None)
        if field is None or kind is None or not issubclass(kind, fo.Classification):
            candidates = [
                name
                for name, other in schema.items()
                if issubclass(getattr(other, "document_type", None) or object, fo.Classification)
                and name not in (names.SUGGESTED, names.ORIGINAL, names.PREDICTION)
            ]
            problem = "it does not exist" if field is None else f"got {type(field).__name__}"
            raise DataError(
                f"label_field {self.label_field!r} of dataset {self.dataset.name!r} must be a "
                f"Classification field; {problem}. Fields that can be cleaned: "
                f"{', '.join(candidates) or 'none'}."
            )

    @property
    def dataset_id(self) -> str:
        """The dataset's id: it survives a rename."""
        return str(self.dataset._doc.id)

    def train_view(self) -> Any:
        """Return the samples that may be queued and changed."""
        return self.view.match_tags(self.test_tag, bool=False) if self.test_tag else self.view

    def test_view(self) -> Any | None:
        """Return the test split, or None when no sample carries the test tag."""
        if not self.test_tag:
            return None
        view = self.view.match_tags(self.test_tag)
        return view if len(view) else None

    def _declared_classes(self) -> list[str]:
        return self.dataset.classes.get(self.label_field) or self.dataset.default_classes or []

    def classes(self) -> tuple[str, ...]:
        """Return the dataset's class names, declared ones first, then others in use, sorted."""
        declared = self._declared_classes()
        used = self.view.distinct(f"{self.label_field}.label")
        classes = tuple(declared) + tuple(sorted(set(used) - set(declared)))
        if len(used) < 2:
            raise DataError(
                f"field {self.label_field!r} of dataset {self.dataset.name!r} must hold at least "
                f"two classes, got {len(used)} ({', '.join(used) or 'no label at all'})."
            )
        return classes

    def has_class(self, name: str) -> bool:
        """Tell whether the dataset lists a class or a sample has it; looks at one sample."""
        if name in self._declared_classes():
            return True
        return bool(self.view.match(F(f"{self.label_field}.label") == name).limit(1).count())

    def list_classes(self, names_: Iterable[str]) -> None:
        """Add classes to the dataset's list, if it has one."""
        lists, declared = self.dataset.classes, self._declared_classes()
        new = [name for name in names_ if declared and name not in declared]
        if not new:
            return
        if lists.get(self.label_field):
            lists[self.label_field] = [*declared, *new]
        else:
            self.dataset.default_classes = [*declared, *new]
        self.dataset.save()

    def read(
        self, view: Any, classes: Sequence[str], reader: Callable[..., Any] | None = None
    ) -> Rows:
        """Read the labeled samples of `view` that have an embedding.

        Parameters
        ----------
        view : fiftyone.DatasetView
            The samples.
        classes : sequence of str
            Class names.
        reader : callable, optional
            Gives ids, vectors and which of them are missing, for (view, field). Default: from the
            database, or from a copy in `cache_dir`.

        Raises
        ------
        DataError
            When there is no embedding at all, or none of the samples has a label.
        """
        if not self.dataset.has_field(self.embeddings_field):
            raise DataError(
                f"field {self.embeddings_field!r} of dataset {self.dataset.name!r} must hold "
                "embeddings; it does not exist. Compute them first: "
                "`coreset-cleaning embed` or CleaningLoop.compute_embeddings()."
            )
        labeled = view.exists(f"{self.label_field}.label").exists(self.embeddings_field)
        # In the order of the ids: otherwise an index decides, and fits depend on it by rounding.
        labeled = labeled.sort_by("id")
        ids, embeddings, missing = (reader or self._vectors)(labeled, self.embeddings_field)
        if not ids or missing.all():
            raise DataError(
                f"no sample of dataset {self.dataset.name!r} has both a label in "
                f"{self.label_field!r} and an embedding in {self.embeddings_field!r}. "
                "Compute the embeddings first: `coreset-cleaning embed`."
            )
        label_of = dict(zip(*labeled.values(["id", f"{self.label_field}.label"]), strict=True))
        weight_of = self.column(names.WEIGHT)
        position = {name: index for index, name in enumerate(classes)}
        return Rows(
            ids=list(ids),
            labels=np.array([position[label_of[i]] for i in ids], dtype=np.int64),
            weights=np.array([_weight(weight_of.get(i)) for i in ids], dtype=np.float64),
            embeddings=embeddings,
            classes=tuple(classes),
        )

    def _vectors(self, view: Any, field: str) -> Any:
        # Vectors of no known run may change without a trace, so they are never copied.
        revision = embedding_run.recorded_revision(self.dataset, field)
        if self.cache_dir is None or revision is None:
            return read_vectors(view, field)
        return read_cached(view, field, self.cache_dir, revision)

    def train_rows(self) -> Rows:
        """Read the samples that may be queued and changed."""
        return self.read(self.train_view(), self.classes())

    def test_rows(self) -> Rows | None:
        """Read the test split; None when there is none."""
        view = self.test_view()
        return None if view is None else self.read(view, self.classes())

    def write_scores(self, rows: Rows, scores: Any) -> None:
        """Write the scores of `score_labels`, and the index that queues sort by."""
        self.dataset.add_sample_field(
            names.SUGGESTED, fo.EmbeddedDocumentField, embedded_doc_type=fo.Classification
        )
        suggestions = [
            fo.Classification(label=rows.classes[index], confidence=float(probability))
            for index, probability in zip(
                scores.suggested_class, scores.suggested_probability, strict=True
            )
        ]
        for field, values in (
            (names.IMPORTANCE, scores.importance),
            (names.DISAGREEMENT, scores.knn_disagreement),
            (names.INFLUENCE, scores.influence),
        ):
            self.dataset.add_sample_field(field, fo.FloatField)
            self.set_values(field, dict(zip(rows.ids, values.tolist(), strict=True)))
        self.set_values(names.SUGGESTED, dict(zip(rows.ids, suggestions, strict=True)))
        self.ensure_weights()
        self.dataset.create_index([(f"{self.label_field}.label", 1), (names.IMPORTANCE, -1)])
        appearance.arrange(self.dataset, self.label_field)

    def ensure_weights(self) -> None:
        """Give every sample without a weight the weight 1."""
        self.dataset.add_sample_field(names.WEIGHT, fo.FloatField)
        bare = self.view.exists(names.WEIGHT, False)
        ids = bare.values("id")
        if ids:
            self.set_values(names.WEIGHT, dict.fromkeys(ids, 1.0))

    def set_values(self, field: str, values: Mapping[str, Any]) -> None:
        """Write `values`, a mapping from sample id to value, into `field`, which must exist."""
        if values:
            # Looking through all values for fields to declare would take most of the time. The
            # check of types takes some too, and refuses documents in their stored form.
            self.dataset.set_values(
                field,
                dict(values),
                key_field="id",
                dynamic=False,
                expand_schema=False,
                validate=False,
            )

    def existing(self, ids: Iterable[str]) -> set[str]:
        """Return those of the ids that are in the dataset."""
        return set(self.dataset.select(list(ids)).values("id"))

    def column(self, field: str, ids: Sequence[str] | None = None) -> dict[str, Any]:
        """Read `field` as a mapping from sample id to value, for `ids` or the whole view."""
        view = self.view if ids is None else self.dataset.select(list(ids))
        if not self.dataset.has_field(field.split(".")[0]):
            return dict.fromkeys(view.values("id"))
        keys, values = view.values(["id", field])
        return dict(zip(keys, values, strict=True))


def _weight(value: float | None) -> float:
    return 1.0 if value is None else value
