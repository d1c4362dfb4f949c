"""What the formats are called, for forms and options: this file imports nothing heavy."""

from __future__ import annotations

from enum import Enum

from ..core.errors import DataError


class ExportFormat(str, Enum):
    """A format that cleaned labels can be written in.

    Attributes
    ----------
    words : str
        One line for forms.
    endings : tuple of str
        Endings of the file; empty for a folder.
    """

    words: str
    endings: tuple[str, ...]

    IMAGE_FOLDER = "image-folder", "Image folder: a folder per class, weights in labels.csv", ()
    CSV = "csv", "CSV: path, class and weight of every label", (".csv",)
    FIFTYONE = "fiftyone", "FiftyOne dataset: images and all fields", ()
    HUGGINGFACE = "huggingface", "Hugging Face dataset: image, class and weight", ()
    COCO = "coco", "COCO: images, boxes, classes and weights of objects", ()
    CHANGES = "changes", "Changes: what reviewers changed, who did, and why", (".csv", ".json")

    def __new__(cls, value: str, words: str, endings: tuple[str, ...]) -> ExportFormat:
        """Make a member that carries what is said of it."""
        found = str.__new__(cls, value)
        found._value_ = value
        found.words = words
        found.endings = endings
        return found

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder rather than a file."""
        return not self.endings

    @classmethod
    def of(cls, name: str | None, target: str) -> ExportFormat:
        """Return the format of a name; without one, what the target's ending says.

        Raises
        ------
        DataError
            When there is no such format, or the target's ending is not one of its own.
        """
        ends = [ending for ending in (".csv", ".json") if target.endswith(ending)]
        name = name or (cls.CSV.value if ".csv" in ends else cls.IMAGE_FOLDER.value)
        known = {member.value: member for member in cls}
        if name not in known:
            raise DataError(
                f"format must be one of {', '.join(known)}, got {name!r}.", "Name one of them."
            )
        found = known[name]
        if found.endings and not set(ends) & set(found.endings):
            raise DataError(
                f"the file of format {name!r} must end in {' or '.join(found.endings)}, "
                f"got {target!r}.",
                "Add the ending.",
            )
        return found
