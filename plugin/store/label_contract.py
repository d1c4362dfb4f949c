"""What a kind of label says of itself: where labels and marks are, and how to read them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from . import ownership
from .records import Records
from .samples import Samples
from .scores import ScoreRecords
from .selection import Selection, Split


class LabelContract:
    """What differs from one kind of label to another: see `LabelField` for what does not.

    A kind of label is one subclass of `LabelField` in a file of its own. To add one:

    1. `document`: the FiftyOne type of the field's values.
    2. `path`: where the class name is, such as ``ground_truth.label``.
    3. `view`, `values`, `count`: the labels of a `Selection`, as a view, as columns, as a number;
       `select`, `existing`: those with some ids.
    4. `columns`, `set_values`, `set_tags`: read and write marks by label id, be it a sample's id
       or not.
    5. `vectors`, `vectors_by_id`, `count_embedded`: what stands for the labels in the maths.
    6. `images`: the image of each label.
    7. `make_indexes`: what makes these queries fast.
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
    things = "samples"  # what has one of these labels, for messages
    of_crops = False  # whether what is embedded is a part of the image
    class_document: type = fo.Classification  # what holds a class of ours beside a label

    def __init__(
        self, samples: Samples, name: str, embeddings_field: str, prefix: str | None = None
    ) -> None:
        self.samples = samples
        self.dataset = samples.dataset
        self.name = name
        self.embeddings_field = embeddings_field
        self._records = Records(samples.dataset)
        self._scores = ScoreRecords(self._records, name, samples.split)
        self._prefix = prefix
        self.names = replace(self._scores.names(prefix), root=self.root)

    @property
    def root(self) -> str:
        """Where the marks are, if they are attributes of each label."""
        return ""

    @property
    def path(self) -> str:
        """Where the class names are."""
        raise NotImplementedError

    @property
    def tags_path(self) -> str:
        """Where the labels' tags are."""
        return "tags"

    def view(self, selection: Selection) -> Any:
        """Return some labels as a view, one document a label."""
        raise NotImplementedError

    def select(self, ids: Iterable[str]) -> Any:
        """Return the view that shows the labels with these ids."""
        raise NotImplementedError

    def page(self, ids: Iterable[str], suggestions: Mapping[str, str]) -> Any:
        """Return the view that asks about these labels, one after another.

        `suggestions` are the classes that a click stands for, by label id.
        """
        return self.samples.view.select(list(ids), ordered=True)

    def values(
        self, selection: Selection, fields: Sequence[str], limit: int | None = None
    ) -> tuple[list[Any], ...]:
        """Return label ids and values of fields, in the order of the selection."""
        raise NotImplementedError

    def count(self, selection: Selection, limit: int | None = None) -> int:
        """Return how many labels there are, counting no further than `limit`."""
        raise NotImplementedError

    def existing(self, ids: Iterable[str]) -> set[str]:
        """Return those of the ids that are in the dataset."""
        raise NotImplementedError

    def columns(
        self, fields: Sequence[str], ids: Iterable[str] | None = None
    ) -> dict[str, tuple[Any, ...]]:
        """Return label id to values of fields, for these ids or all labels of the view."""
        raise NotImplementedError

    def own_columns(
        self, fields: Sequence[str], ids: Iterable[str] | None = None
    ) -> dict[str, tuple[Any, ...]]:
        """Return the same, with None for what a user has under a name of ours."""
        names = self.names.fields()
        known = [
            field
            for field in fields
            if (name := re.sub(r"\.(label|verdict)$", "", field)) not in names
            or ownership.is_ours(self.dataset, name)
        ]
        return {
            label_id: tuple(map(dict(zip(known, values, strict=True)).get, fields))
            for label_id, values in self.columns(known, ids).items()
        }

    def set_values(self, field: str, values: Mapping[str, Any]) -> None:
        """Write values by label id."""
        raise NotImplementedError

    def set_classes(self, field: str, classes: Mapping[str, str]) -> None:
        """Write classes by label id to a field that `declare_class` has added."""
        if classes:
            documents = self.class_documents(field, classes.values())
            self.set_values(field, dict(zip(classes, documents, strict=True)))

    def set_tags(self, tags: Mapping[str, Sequence[str]]) -> None:
        """Replace the tags of labels by id."""
        raise NotImplementedError

    def images(self, ids: Iterable[str]) -> dict[str, str]:
        """Return label id to the path of its image."""
        raise NotImplementedError

    def vectors(
        self, split: Split, reader: Callable[..., Any] | None = None
    ) -> tuple[list[str], NDArray[Any], NDArray[Any]]:
        """Return ids, vectors and which of them are missing, of labels in the order of the ids.

        Of those that have a class and a vector; `reader` gives the same for (view, field).
        """
        raise NotImplementedError

    def vectors_by_id(self, ids: Iterable[str]) -> dict[str, NDArray[Any]]:
        """Return the vectors of those of some labels that have one."""
        raise NotImplementedError

    def vectors_of(self, ids: Sequence[str]) -> NDArray[Any]:
        """Return the vectors of some labels, which all have one, in their order."""
        found = self.vectors_by_id(ids)
        return np.array([found[label_id] for label_id in ids])

    def count_embedded(self, split: Split, *has: str) -> int:
        """Return how many labels with a class, and with these fields, have a vector."""
        raise NotImplementedError

    def make_indexes(self) -> None:
        """Make the indexes that queues sort by."""
        raise NotImplementedError

    # ---- what a kind may say of its own

    @property
    def page_fields(self) -> list[str]:
        """The fields that thumbnails of a page show: the label, and the suggested one."""
        return [self.name, self.names.suggested]

    def boxes(self, ids: Iterable[str]) -> dict[str, list[float]]:
        """Return label id to the box that is shown; labels of whole images have none."""
        return {}

    def to_save(self, selection: Selection) -> Any:
        """Return what to save as a view of some labels."""
        return self.view(selection)

    def renew_views(self) -> None:
        """Let saved views of ours show the labels as they are now; most always do."""

    def class_documents(
        self, field: str, classes: Iterable[str], **more: Iterable[Any]
    ) -> list[Any]:
        """Return classes as they are written to a field that `declare_class` has added.

        Parameters
        ----------
        field : str
        classes : iterable of str
        **more
            What else the documents hold: a value for each class.
        """
        names = ["label", *more]
        rows = zip(classes, *more.values(), strict=True)
        return [fo.Classification(**dict(zip(names, row, strict=True))) for row in rows]

    def taken_values(self) -> list[str]:
        """Return names of ours that hold values although no field of that name is declared."""
        return []
