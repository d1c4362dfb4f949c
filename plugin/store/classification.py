"""One label for a whole image: a ``Classification``, known by the id of its sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import fiftyone as fo

from .labels import LabelField


class ClassificationField(LabelField):
    """A field of ``fiftyone.Classification``."""

    document = fo.Classification
    whole_images = True

    @property
    def path(self) -> str:
        """Where the class names are."""
        return f"{self.name}.label"

    def columns(
        self, fields: Sequence[str], ids: Iterable[str] | None = None
    ) -> dict[str, tuple[Any, ...]]:
        """Return sample id to values of fields, for these ids or all samples of the view."""
        return self.samples.columns(fields, ids)

    def set_values(self, field: str, values: Mapping[str, Any]) -> None:
        """Write values by sample id."""
        self.samples.set_values(field, values)

    def lacking(self, field: str) -> list[str]:
        """Return the ids of the samples of the view that have no value in a field."""
        return list(self.samples.view.exists(field, False).values("id"))

    def set_tags(self, tags: Mapping[str, Sequence[str]]) -> None:
        """Replace the tags of samples by id."""
        self.samples.set_values("tags", {i: list(value) for i, value in tags.items()})

    def select(self, ids: Iterable[str]) -> Any:
        """Return the samples with these ids."""
        return self.samples.select(ids)

    def images(self, ids: Iterable[str]) -> dict[str, str]:
        """Return sample id to the path of its image."""
        return {i: row[0] for i, row in self.columns(["filepath"], ids).items()}
