"""What writes each format."""

from __future__ import annotations

from .base import Format
from .coco import Coco
from .fiftyone_dataset import FiftyOneDataset
from .huggingface import HuggingFace
from .image_folder import ImageFolder
from .names import ExportFormat
from .tables import Changes, Csv

FORMATS: dict[ExportFormat, Format] = {
    ExportFormat.IMAGE_FOLDER: ImageFolder(),
    ExportFormat.CSV: Csv(),
    ExportFormat.FIFTYONE: FiftyOneDataset(),
    ExportFormat.HUGGINGFACE: HuggingFace(),
    ExportFormat.COCO: Coco(),
    ExportFormat.CHANGES: Changes(),
}
