"""What an export came to."""

from __future__ import annotations

from dataclasses import dataclass

from .report import Report


@dataclass(frozen=True)
class ExportReport(Report):
    """What `export_cleaned` did.

    Attributes
    ----------
    target : str
        The file or folder.
    format : str
        Its format.
    exported : int
        Labels in it.
    splits : dict of str to int
        Split to labels.
    left_out : int
        Labels with weight 0 that are not in it.
    unlabeled : int
        Samples without a label, which are not in it either.
    changed : int
        Labels that reviewers changed, deleted ones included.
    """

    target: str
    format: str
    exported: int
    splits: dict[str, int]
    left_out: int
    unlabeled: int
    changed: int

    def __str__(self) -> str:
        if self.format == "changes":
            return f"{self.changed} changes written to {self.target}"
        by_split = ", ".join(f"{n} {split}" for split, n in self.splits.items())
        text = f"{self.exported} labels ({by_split}) written to {self.target} as {self.format}; "
        text += f"reviewers changed {self.changed}"
        if self.left_out:
            text += f", {self.left_out} with weight 0 are left out"
        if self.unlabeled:
            text += f"; {self.unlabeled} samples have no label and are left out"
        return text
