"""What every format is given, and what it has to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.errors import DataError
from ..core.review.cleaned import CleanedLabel

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Cleaned:
    """What is written.

    Attributes
    ----------
    labels : sequence of CleanedLabel
        Those that stay.
    changed : sequence of dict
        What reviewers changed, deleted labels included: rows of `core.review.cleaned.changes`.
    classes : tuple of str
        All class names, in the dataset's order.
    view : fiftyone.DatasetView
        The samples of these labels.
    whole_images : bool
        Whether each label is that of a whole image.
    boxes : mapping of str to sequence of 4 float
        Of objects: label id to left, top, width and height, in shares of the image.
    """

    labels: Sequence[CleanedLabel]
    changed: Sequence[dict[str, Any]]
    classes: tuple[str, ...]
    view: Any
    whole_images: bool
    boxes: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @property
    def splits(self) -> list[str]:
        """The splits there are, "train" first."""
        return sorted({label.split for label in self.labels}, reverse=True)


class Format:
    """A format that cleaned labels can be written in.

    To add one: a member of `ExportFormat` in ``exports/names.py``, and a subclass in a file of its
    own, named in `FORMATS` of ``exports/formats.py``. Whoever can name it on the command line, in
    the App and in Python then follows.

    Attributes
    ----------
    copies_images : bool
        Whether the images' files are read.
    whole_images_only : bool
        Whether it has room for one label per image alone.
    """

    copies_images = False
    whole_images_only = False

    def check(self, cleaned: Cleaned) -> None:
        """Make sure that it can be written; nothing has been yet.

        Raises
        ------
        DataError
            When an image is not there, or the format can't hold such labels.
        """
        if self.whole_images_only and not cleaned.whole_images:
            raise DataError(
                "this format must hold one label per image, and these labels are of parts of "
                "images.",
                "Export them as coco, csv or fiftyone.",
            )
        if self.copies_images:
            gone = [x.image for x in cleaned.labels if not Path(x.image).is_file()]
            if gone:
                raise DataError(
                    f"{len(gone)} of {len(cleaned.labels)} images are not files on this machine "
                    f"(first: {gone[0]}), and this format copies them.",
                    "Bring them back, or export as csv, which names images by their path.",
                )

    def write(self, cleaned: Cleaned, target: Path, progress: Progress | None) -> None:
        """Write to a file or an empty folder of ours."""
        raise NotImplementedError


def copy_image(source: str, folder: Path, label_id: str) -> Path:
    """Copy an image into a folder under its name, or one of its own if that is taken there."""
    name = Path(source).name
    target = folder / name
    if target.exists():
        target = folder / f"{target.stem}-{label_id}{target.suffix}"
    shutil.copyfile(source, target)
    return target
