"""The labels that are cleaned: where they live, of what kind they are, what stands beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.review.verdicts import Outcome
from . import appearance, ownership, taken
from .fresh import reread
from .label_contract import LabelContract
from .label_rows import Rows, weight_or_one
from .locks import refuse_locked
from .scores import ScoreRecord
from .selection import Selection, Split


class LabelField(LabelContract):
    """A field whose labels are cleaned, and the marks beside them.

    A kind of label is one subclass in a file of its own: `LabelContract` says how to add one.
    """

    # ---- what is on record

    def score_record(self) -> dict[str, Any] | None:
        """Return what the scores rest on; None when they are not on record."""
        return self._scores.read()

    def record_scores(self, record: ScoreRecord) -> None:
        """Put on record what the scores rest on, and with it the names of the marks."""
        self.names = replace(self._scores.write(record, self._prefix), root=self.root)

    def kept_plan(self) -> dict[str, Any] | None:
        """Return the plan that was kept last, with what it rests on; None when there is none."""
        return self._scores.read_plan()

    def keep_plan(self, plan: dict[str, Any]) -> None:
        """Keep a plan beside the scores that it rests on."""
        self._scores.write_plan(plan)

    def kept_fit(self) -> dict[str, NDArray[Any]] | None:
        """Return the arrays of the fit that the scores are of; None when they were not kept."""
        return self._scores.read_fit()

    def keep_fit(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep the arrays of the fit that the scores are of."""
        self._scores.write_fit(arrays)

    def is_scored(self) -> bool:
        """Tell whether importance has been computed for this field, or for its test split."""
        if self.samples.of_test_split and self.score_record() is None:
            return False
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
        refuse_locked(self.dataset, (self.name, self.path, self.tags_path), "verdicts change it")

    def _check_there(self) -> None:
        document = getattr(self.dataset.get_field(self.name), "document_type", None)
        if document is None or not issubclass(document, self.document):
            raise DataError(
                f"field {self.name!r} of dataset {self.dataset.name!r}, which is cleaned, is not "
                f"there any more as a {self.document.__name__} field.",
                f"If you renamed it, rename it back: dataset.rename_sample_field(NAME, "
                f"{self.name!r})",
            )

    def taken_names(self) -> list[str]:
        """Return what a user has under names of ours, in words."""
        return taken.taken_names(self, self._fixed_views())

    def check_recorded(self) -> None:
        """Make sure that labels and what tells of verdicts have the names they are looked for at.

        For those who only read; `check_names` does so, too.

        Raises
        ------
        DataError
            Names what got another name, and how to rename it back.
        """
        reread(self.dataset)
        self._check_there()
        taken.check_not_renamed(self)

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
        reread(self.dataset)  # another process may have put something there
        self._check_there()
        views = [*self._fixed_views(), *(self.names.queue_view(cls) for cls in classes)]
        if round_number is not None:
            views.append(self.names.round_view(round_number))
        taken.check_names(self, views if saves_views else None, tags)
        refuse_locked(self.dataset, self.names.fields(), "scores and verdicts are kept there")

    def _fixed_views(self) -> list[str]:
        return [self.names.outcome_view(outcome) for outcome in self.outcomes_with_a_view()]

    def outcomes_with_a_view(self) -> list[Outcome]:
        """Return the outcomes whose labels are a saved view."""
        mine = [o for o in Outcome if self.of_crops or not o.of_objects]
        return [outcome for outcome in mine if outcome.done_by_reviewers]

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
        used = self.samples.distinct(self.path)
        if "" in used:
            [empty] = self.values(Selection(Split.VIEW, ("",)), [])
            raise DataError(
                f"field {self.name!r} of dataset {self.dataset.name!r} must not hold the empty "
                f'class name "", got it in {len(empty)} {self.things} (first: {empty[0]}).',
                f"Give them a class, or none: {self.without_class}",
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

    @property
    def without_class(self) -> str:
        """How to take the empty class name away, in Python."""
        return (
            f'dataset.match(fiftyone.ViewField({self.path!r}) == "").set_field({self.name!r}, '
            "None).save()"
        )

    def has_class(self, name: str) -> bool:
        """Tell whether a label has a class or the dataset lists it; looks at one label."""
        if name in self._listed()[0]:
            return True
        return bool(self.count(Selection(Split.VIEW, (name,)), limit=1))

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
        self, split: Split, classes: Sequence[str], reader: Callable[..., Any] | None = None
    ) -> Rows:
        """Read the labels of a split that have an embedding.

        Parameters
        ----------
        split : Split
        classes : sequence of str
            Class names.
        reader : callable, optional
            See `vectors`.

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
        ids, embeddings, missing = self.vectors(split, reader)
        if not ids or missing.all():
            raise DataError(
                f"no {self.things[:-1]} of dataset {self.dataset.name!r} has both a label in "
                f"{self.name!r} and an embedding in {self.embeddings_field!r}.",
                "Compute the embeddings first: `coreset-cleaning embed`.",
            )
        known = self.own_columns([self.path, self.names.weight])
        position = {name: index for index, name in enumerate(classes)}
        return Rows(
            ids=ids,
            labels=np.array([position[known[i][0]] for i in ids], dtype=np.int64),
            weights=np.array([weight_or_one(known[i][1]) for i in ids], dtype=np.float64),
            embeddings=embeddings,
            classes=tuple(classes),
        )

    def train_rows(self) -> Rows:
        """Read the labels that may be queued and changed."""
        return self.read(Split.TRAIN, self.classes())

    def test_rows(self) -> Rows | None:
        """Read the test split; None when there is none."""
        has_test = self.samples.test_view() is not None
        return self.read(Split.TEST, self.classes()) if has_test else None

    def left_out(self) -> tuple[int, int]:
        """Return how many labels outside the test split have no class, and no embedding."""
        total, labeled = self.count(Selection()), self.count(Selection(has=(self.path,)))
        if not self.dataset.has_field(self.embeddings_field):
            return total - labeled, labeled
        return total - labeled, labeled - self.count_embedded(Split.TRAIN)

    # ---- scores

    def write_scores(self, rows: Rows, scores: Any, asked: AbstractSet[str] = frozenset()) -> None:
        """Write the scores of `score_labels`, and the index that queues sort by.

        The labels in `asked` keep their suggestion: somebody is looking at it.
        """
        ours = self.names
        self.declare_class(ours.suggested)
        self._declare(f"{ours.suggested}.confidence", ftype=fo.FloatField)
        # An attribute, which the side bar shows with its label.
        text = "The next most probable class"
        ownership.declare(self.dataset, ours.second_guess, text, ftype=fo.StringField)
        named = [*rows.classes, None]  # the last for -1, where there is no second guess
        suggestions = self.class_documents(
            ours.suggested,
            [named[k] for k in scores.suggested_class],
            confidence=scores.suggested_probability.tolist(),
            second_guess=[named[k] for k in scores.second_class],
        )
        shown = self.columns([ours.suggested], asked) if asked else {}
        for row, label_id in enumerate(rows.ids if shown else ()):
            if label_id in shown:
                [suggestions[row]] = shown[label_id]
        columns: dict[str, Sequence[Any]] = {}
        for field, values in (
            (ours.importance, scores.importance),
            (ours.wrong, scores.wrong_probability),
            (ours.disagreement, scores.knn_disagreement),
            (ours.influence, scores.influence),
        ):
            self._declare(field, ftype=fo.FloatField)
            columns[field] = values.tolist()
        self.write_columns(rows.ids, {**columns, ours.suggested: suggestions})
        self.ensure_weights()
        self.make_indexes()
        self.renew_views()
        appearance.arrange(self.dataset, self.name, ours)

    def write_columns(self, ids: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> None:
        """Write fields of the same labels, in an order that nothing depends on."""
        for field, values in columns.items():
            self.set_values(field, dict(zip(ids, values, strict=True)))

    def ensure_weights(self, ids: Iterable[str] | None = None) -> None:
        """Give labels without a weight, of these or all, 1, or 0 if tag or review say deleted."""
        weight, deleted = self.names.weight, self.names.outcome_tag(Outcome.DELETED)
        self._declare(weight, ftype=fo.FloatField)
        if ids is None:
            [ids] = self.values(Selection(Split.VIEW, lacks=(weight,)), [])
        found = self.own_columns([weight, "tags", f"{self.names.review}.verdict"], ids)
        bare = {i: said for i, (value, *said) in found.items() if value is None}
        gone = {i for i, (tags, v) in bare.items() if deleted in tags or v == Outcome.DELETED.value}
        self.set_values(weight, {i: float(i not in gone) for i in bare})

    def declare_class(self, field: str) -> None:
        """Add a field of ours that holds a class beside each label, unless it is there."""
        kind = {"ftype": fo.EmbeddedDocumentField, "embedded_doc_type": self.class_document}
        self._declare(field, **kind)
        self._declare(f"{field}.label", ftype=fo.StringField)

    def _declare(self, field: str, **kind: Any) -> None:
        text = appearance.descriptions(self.names).get(field, "")
        ownership.declare(self.dataset, field, text, **kind)
