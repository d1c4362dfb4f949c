"""A dataset as FiftyOne itself exports and imports it."""

from __future__ import annotations

from pathlib import Path

import fiftyone as fo

from .base import Cleaned, Format, Progress
from .tables import write_changes


class FiftyOneDataset(Format):
    """All fields of the samples, by FiftyOne's own exporter."""

    copies_images = True

    def write(self, cleaned: Cleaned, target: Path, progress: Progress | None) -> None:
        """Export the samples, and write changes.csv beside them."""
        cleaned.view.export(
            export_dir=str(target),
            dataset_type=fo.types.FiftyOneDataset,
            export_media=True,
            overwrite=False,
            progress=False,
        )
        write_changes(target / "changes.csv", cleaned.changed)
