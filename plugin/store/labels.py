"""The labels that are cleaned: where they live, of what kind they are, what stands beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import fiftyone as fo
import numpy as np
from fiftyone import ViewField as F
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.review.verdicts import Outcome
from . import appearance, ownership, taken
from .records import Records
from .samples import Samples
from .scores import ScoreRecord, ScoreRecords
from .vectors import read_vectors


@dataclass(frozen=True)
class Rows:
    """Labels as arrays, all in the same order.

    Attributes
    ----------
    ids : list of str
        Label ids.
    labels : ndarray of int, shape (n,)
        Index into `classes` of each present label.
    weights : ndarray of float, shape (n,)
        Weights; 0 for deleted.
    embeddings : ndarray of float32, shape (n, d)
        One row per label.
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


class LabelField:
    """A field whose labels are cleaned, and the marks beside them.

    A kind of label is one subclass in a file of its own. To add one:

    1. `document`: the FiftyOne type of the field's values.
    2. `path`: where the class name is, such as ``ground_truth.label``.
    3. `columns`, `set_values`: read and write marks by label id, be it a sample's id or not.
    4. `lacking`: the ids of labels without a mark.
    5. `set_tags`: replace tags by id.
    6. `select`: the view that shows labels with these ids.
    7. `images`: the image of each label.
    8. Name it in `KINDS` of ``store/kinds.py``. Everything else follows.

    Parameters
    ----------
    samples : Samples
    name : str
        The field.
    embeddings_field : str
        A ``VectorField``; need not exist yet.
    prefix : str, optional
        Comes before our names. Default: that on record, else none.

    Raises
    ------
    DataError
        When the field does not exist or is of another kind, or another prefix is on record.
    """

    document: type
    # Whether a label is that of a whole image, and its id that of its sample.
    whole_images = False

    def __init__(
        self, samples: Samples, name: str, embeddings_field: str, prefix: str | None = None
    ) -> None:
        self.samples = samples
        self.dataset = samples.dataset
        self.name = name
        self.embeddings_field = embeddings_field
        self._records = Records(samples.dataset)
        self._scores = ScoreRecords(self._records, name)
        self._prefix = prefix
        self.names = self._scores.names(prefix)

    # ---- the contract

    @property
    def path(self) -> str:
        """Where the class names are."""
        raise NotImplementedError

    def columns(
        self, fields: Sequence[str], ids: Iterable[str] | None = None
    ) -> dict[str, tuple[Any, ...]]:
        """Return label id to values of fields, for these ids or all labels."""
        raise NotImplementedError

    def set_values(self, field: str, values: Mapping[str, Any]) -> None:
        """Write values by label id."""
        raise NotImplementedError

    def lacking(self, field: str) -> list[str]:
        """Return the ids of the labels that have no value in a field."""
        raise NotImplementedError

    def set_tags(self, tags: Mapping[str, Sequence[str]]) -> None:
        """Replace the tags of labels by id."""
        raise NotImplementedError

    def select(self, ids: Iterable[str]) -> Any:
        """Return the view that shows the labels with these ids."""
        raise NotImplementedError

    def images(self, ids: Iterable[str]) -> dict[str, str]:
        """Return label id to the path of its image."""
        raise NotImplementedError

    # ---- what is on record

    def score_record(self) -> dict[str, Any] | None:
        """Return what the scores rest on; None when they are not on record."""
        return self._scores.read()

    def record_scores(self, record: ScoreRecord) -> None:
        """Put on record what the scores rest on, and with it the names of the marks."""
        self.names = self._scores.write(record, self._prefix)

    def is_scored(self) -> bool:
        """Tell whether importance has been computed for this field."""
        return ownership.is_ours(self.dataset, self.names.importance)

    def has_rounds(self) -> bool:
        """Tell whether rounds of this field are on record."""
        return self._records.any("round", label_field=self.name)

    # ---- before anything is written

    def check_unlocked(self) -> None:
        """Make sure that the labels are there and can be changed.

        Raises
        ------
        DataError
            When the label field is gone, or it is read-only.
        """
        self._check_there()
        self._check_not_locked((self.name, self.path, "tags"), "verdicts change it")

    def _check_there(self) -> None:
        document = getattr(self.dataset.get_field(self.name), "document_type", None)
        if document is None or not issubclass(document, self.document):
            raise DataError(
                f"field {self.name!r} of dataset {self.dataset.name!r}, which is cleaned, is not "
                f"there any more as a {self.document.__name__} field.",
                f"If you renamed it, rename it back: dataset.rename_sample_field(NAME, "
                f"{self.name!r})",
            )

    def _check_not_locked(self, fields: Iterable[str], why: str) -> None:
        for name in fields:
            field = self.dataset.get_field(name)
            if field is not None and field.read_only:
                raise DataError(
                    f"field {name!r} of dataset {self.dataset.name!r} must not be read-only: "
                    f"{why}.",
                    f"Unlock it: field = dataset.get_field({name!r}); field.read_only = False; "
                    "field.save()",
                )

    def taken_names(self) -> list[str]:
        """Return what a user has under names of ours, in words."""
        return taken.taken_names(self, self._fixed_views())

    def check_names(
        self,
        classes: Iterable[str | None] = (),
        round_number: int | None = None,
        tags: Iterable[str] = (),
        saves_views: bool = True,
    ) -> None:
        """Make sure that our marks can be written: nothing of a user's is in the way.

        Parameters
        ----------
        classes : iterable of str or None, optional
            Classes whose queues are about to be saved as views; None for the whole dataset.
        round_number : int, optional
            The round whose view is about to be saved.
        tags : iterable of str, optional
            Further tags that are about to be set.
        saves_views : bool, default True
            Whether any view is about to be saved; a user's are in nobody's way if not.

        Raises
        ------
        DataError
            Names everything that is in the way, and the way out.
        """
        self.dataset.reload()  # another process may have put something there
        self._check_there()
        views = [*self._fixed_views(), *(self.names.queue_view(cls) for cls in classes)]
        if round_number is not None:
            views.append(self.names.round_view(round_number))
        taken.check_names(self, views if saves_views else None, tags)
        self._check_not_locked(self.names.fields(), "scores and verdicts are kept there")

    def _fixed_views(self) -> list[str]:
        return [self.names.outcome_view(outcome) for outcome in self.outcomes_with_a_view()]

    @staticmethod
    def outcomes_with_a_view() -> list[Outcome]:
        """Return the outcomes whose labels are a saved view."""
        return [outcome for outcome in Outcome if outcome.done_by_reviewers]

    # ---- classes

    def _listed(self) -> tuple[list[str], list[str]]:
        """Return the classes that the dataset lists for this field, and for all fields."""
        return (
            list(self.dataset.classes.get(self.name) or []),
            list(self.dataset.default_classes or []),
        )

    def classes(self) -> tuple[str, ...]:
        """Return the class names, those listed for the field first, then others in use, sorted.

        Of the dataset's default classes, which may be of other fields, only those in use.

        Raises
        ------
        DataError
            When there are fewer than two, or one of them is empty.
        """
        used = self.samples.view.distinct(self.path)
        if "" in used:
            empty = self.samples.view.match(F(self.path) == "")
            raise DataError(
                f"field {self.name!r} of dataset {self.dataset.name!r} must not hold the empty "
                f'class name "", got it in {empty.count()} samples (first: {empty.first().id}).',
                "Give them a class, or none: dataset.match(fiftyone.ViewField("
                f'{self.path!r}) == "").set_field({self.name!r}, None).save()',
            )
        mine, default = self._listed()
        declared = mine or [name for name in default if name in used]
        classes = tuple(declared) + tuple(sorted(set(used) - set(declared)))
        if len(used) < 2:
            raise DataError(
                f"field {self.name!r} of dataset {self.dataset.name!r} must hold at least two "
                f"classes, got {len(used)} ({', '.join(used) or 'no label at all'}).",
                "Check the label field, or the view.",
            )
        return classes

    def has_class(self, name: str) -> bool:
        """Tell whether a label has a class or the dataset lists it; looks at one label."""
        if name in self._listed()[0]:
            return True
        return bool(self.samples.view.match(F(self.path) == name).limit(1).count())

    def list_classes(self, given: Iterable[str]) -> None:
        """Add new classes to the dataset's list, if it has one; those in use are not new."""
        mine, default = self._listed()
        new = [n for n in given if (mine or default) and n not in default and not self.has_class(n)]
        if not new:
            return
        if mine:
            self.dataset.classes[self.name] = [*mine, *new]
        else:
            self.dataset.default_classes = [*default, *new]
        self.dataset.save()

    # ---- as arrays

    def read(
        self, view: Any, classes: Sequence[str], reader: Callable[..., Any] | None = None
    ) -> Rows:
        """Read the labels of `view` that have an embedding.

        Parameters
        ----------
        view : fiftyone.DatasetView
            The samples.
        classes : sequence of str
            Class names.
        reader : callable, default `read_vectors`
            Gives ids, vectors and which of them are missing, for (view, field).

        Raises
        ------
        DataError
            When there is no embedding at all, or no label has one.
        """
        if not self.dataset.has_field(self.embeddings_field):
            raise DataError(
                f"field {self.embeddings_field!r} of dataset {self.dataset.name!r} must hold "
                "embeddings; it does not exist.",
                "Compute them first: `coreset-cleaning embed` or "
                "CleaningLoop.compute_embeddings().",
            )
        labeled = view.exists(self.path).exists(self.embeddings_field)
        # In the order of the ids: otherwise an index decides, and fits depend on it by rounding.
        labeled = labeled.sort_by("id")
        ids, embeddings, missing = (reader or read_vectors)(labeled, self.embeddings_field)
        if not ids or missing.all():
            raise DataError(
                f"no sample of dataset {self.dataset.name!r} has both a label in {self.name!r} "
                f"and an embedding in {self.embeddings_field!r}.",
                "Compute the embeddings first: `coreset-cleaning embed`.",
            )
        known = self.columns([self.path, self.names.weight])
        position = {name: index for index, name in enumerate(classes)}
        return Rows(
            ids=list(ids),
            labels=np.array([position[known[i][0]] for i in ids], dtype=np.int64),
            weights=np.array([weight_or_one(known[i][1]) for i in ids], dtype=np.float64),
            embeddings=embeddings,
            classes=tuple(classes),
        )

    def train_rows(self) -> Rows:
        """Read the labels that may be queued and changed."""
        return self.read(self.samples.train_view(), self.classes())

    def test_rows(self) -> Rows | None:
        """Read the test split; None when there is none."""
        view = self.samples.test_view()
        return None if view is None else self.read(view, self.classes())

    def left_out(self) -> tuple[int, int]:
        """Return how many samples outside the test split have no label, and no embedding."""
        train = self.samples.train_view()
        labeled = train.exists(self.path)
        if not self.dataset.has_field(self.embeddings_field):
            return len(train) - len(labeled), len(labeled)
        embedded = labeled.exists(self.embeddings_field).count()
        return len(train) - len(labeled), len(labeled) - embedded

    # ---- scores

    def write_scores(self, rows: Rows, scores: Any) -> None:
        """Write the scores of `score_labels`, and the index that queues sort by."""
        ours = self.names
        self._declare(
            ours.suggested, ftype=fo.EmbeddedDocumentField, embedded_doc_type=fo.Classification
        )
        suggestions = [
            fo.Classification(label=rows.classes[index], confidence=float(probability))
            for index, probability in zip(
                scores.suggested_class, scores.suggested_probability, strict=True
            )
        ]
        for field, values in (
            (ours.importance, scores.importance),
            (ours.disagreement, scores.knn_disagreement),
            (ours.influence, scores.influence),
        ):
            self._declare(field, ftype=fo.FloatField)
            self.set_values(field, dict(zip(rows.ids, values.tolist(), strict=True)))
        self.set_values(ours.suggested, dict(zip(rows.ids, suggestions, strict=True)))
        self.ensure_weights()
        # The queue of a class, and that of the whole dataset.
        self.dataset.create_index([(self.path, 1), (ours.importance, -1)])
        self.dataset.create_index([(ours.importance, -1)])
        appearance.arrange(self.dataset, self.name, ours)

    def ensure_weights(self, ids: Iterable[str] | None = None) -> None:
        """Give labels without a weight, of these or of all, 1, or 0 if a tag says deleted."""
        weight, deleted = self.names.weight, self.names.outcome_tag(Outcome.DELETED)
        self._declare(weight, ftype=fo.FloatField)
        found = self.columns([weight, "tags"], self.lacking(weight) if ids is None else ids)
        bare = {i: tags for i, (value, tags) in found.items() if value is None}
        self.set_values(weight, {i: float(deleted not in tags) for i, tags in bare.items()})

    def _declare(self, field: str, **kind: Any) -> None:
        text = appearance.descriptions(self.names).get(field, "")
        ownership.declare(self.dataset, field, text, **kind)


def weight_or_one(value: float | None) -> float:
    """Return a label's weight; none at all means 1."""
    return 1.0 if value is None else value
