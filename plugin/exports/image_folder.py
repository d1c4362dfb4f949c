"""A folder per class, as torchvision, Keras and many others read it."""

from __future__ import annotations

import re
from pathlib import Path

from ..core.errors import DataError
from .base import Cleaned, Format, Progress, copy_image
from .tables import LABEL_COLUMNS, label_row, write_changes, write_rows

# What no file system of Windows, macOS and Linux would take, and the sign that replaces it.
_UNSAFE = re.compile(r'[%/\\:*?"<>|\x00-\x1f]|^\.|[. ]$')


class ImageFolder(Format):
    """``SPLIT/CLASS/IMAGE``, with the weights and the changes as tables beside them."""

    copies_images = True
    whole_images_only = True

    def write(self, cleaned: Cleaned, target: Path, progress: Progress | None) -> None:
        """Copy the images, and write labels.csv and changes.csv."""
        for split in cleaned.splits:
            for name in sorted({x.label for x in cleaned.labels if x.split == split}):
                _make(target / split / folder_name(name), name)
        rows = []
        for done, label in enumerate(cleaned.labels, start=1):
            folder = target / label.split / folder_name(label.label)
            copy = copy_image(label.image, folder, label.id)
            row = label_row(label)
            rows.append(
                {**row, "file": copy.relative_to(target).as_posix(), "filepath": label.image}
            )
            if progress is not None and done % 100 == 0:
                progress(done / len(cleaned.labels), f"{done} images copied")
        write_rows(target / "labels.csv", ("file", *LABEL_COLUMNS), rows)
        write_changes(target / "changes.csv", cleaned.changed)


def folder_name(class_name: str) -> str:
    """Return the name of a class's folder: its own, with signs that can't be there as ``%2F``.

    Examples
    --------
    >>> folder_name("cat"), folder_name("n/a")
    ('cat', 'n%2Fa')
    """
    return _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", class_name)


def _make(folder: Path, class_name: str) -> None:
    folder.parent.mkdir(exist_ok=True)
    try:
        folder.mkdir()
    except FileExistsError:
        raise DataError(
            f"class {class_name!r} and another one would have the same folder {folder.name!r} on "
            "this machine, which does not tell capitals apart.",
            "Rename one of them, or export as csv.",
        ) from None
