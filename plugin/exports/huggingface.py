"""A dataset as the library `datasets` of Hugging Face saves and loads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..core.errors import DataError
from .base import Cleaned, Format, Progress
from .tables import write_changes


class HuggingFace(Format):
    """What `datasets.load_from_disk` loads: image, label, weight; one split per split."""

    copies_images = True
    whole_images_only = True

    def check(self, cleaned: Cleaned) -> None:
        """Make sure that their library is there, too."""
        super().check(cleaned)
        _library()

    def write(self, cleaned: Cleaned, target: Path, progress: Progress | None) -> None:
        """Save the splits, with the images inside, and write changes.csv beside them."""
        library = _library()
        features = library.Features(
            {
                "image": library.Image(),
                "label": library.ClassLabel(names=list(cleaned.classes)),
                "weight": library.Value("float64"),
                "id": library.Value("string"),
                "original_label": library.Value("string"),
            }
        )
        number = {name: index for index, name in enumerate(cleaned.classes)}
        parts = {}
        for split in cleaned.splits:
            labels = [label for label in cleaned.labels if label.split == split]
            columns = {
                "image": [label.image for label in labels],
                "label": [number[label.label] for label in labels],
                "weight": [label.weight for label in labels],
                "id": [label.id for label in labels],
                "original_label": [label.original for label in labels],
            }
            parts[split] = library.Dataset.from_dict(columns, features=features)
        library.DatasetDict(parts).save_to_disk(str(target))
        write_changes(target / "changes.csv", cleaned.changed)


def _library() -> Any:
    """Return their library.

    Raises
    ------
    DataError
        When it is not installed.
    """
    try:
        import datasets
    except ImportError:
        raise DataError(
            "format 'huggingface' needs the library `datasets`, which is not installed here.",
            "Install it where this runs: pip install datasets (or this package with its extra "
            "huggingface).",
        ) from None
    return datasets
