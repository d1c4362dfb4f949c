"""Objects as COCO, which most detectors and FiftyOne itself read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..core.errors import DataError
from ..core.review.cleaned import CleanedLabel
from .base import Cleaned, Format, Progress, copy_image
from .tables import write_changes


class Coco(Format):
    """``SPLIT/data`` with the images and ``SPLIT/labels.json``; changes.csv beside the splits.

    An annotation holds, besides what COCO asks for, the weight, the id of the label and the class
    that reviewers replaced.
    """

    copies_images = True

    def check(self, cleaned: Cleaned) -> None:
        """Make sure that there are boxes, too."""
        if cleaned.whole_images:
            raise DataError(
                "format 'coco' must be given objects with boxes, and these labels are of whole "
                "images.",
                "Export them as image-folder, csv, fiftyone or huggingface.",
            )
        bare = [label.id for label in cleaned.labels if not cleaned.boxes.get(label.id)]
        if bare:
            raise DataError(
                f"{len(bare)} of {len(cleaned.labels)} objects have no bounding_box (first: "
                f"{bare[0]}), which COCO asks for.",
                "Give them one, or export as csv or fiftyone.",
            )
        super().check(cleaned)

    def write(self, cleaned: Cleaned, target: Path, progress: Progress | None) -> None:
        """Copy the images and write one JSON per split."""
        number = {name: index for index, name in enumerate(cleaned.classes, start=1)}
        categories = [{"id": index, "name": name} for name, index in number.items()]
        done, images = 0, len({label.image for label in cleaned.labels})
        for split in cleaned.splits:
            folder = target / split / "data"
            folder.mkdir(parents=True)
            by_image: dict[str, list[CleanedLabel]] = {}
            for label in cleaned.labels:
                if label.split == split:
                    by_image.setdefault(label.image, []).append(label)
            content: dict[str, Any] = {"images": [], "annotations": [], "categories": categories}
            for image_id, (path, labels) in enumerate(by_image.items(), start=1):
                name = copy_image(path, folder, labels[0].id).name
                width, height = size_of(path)
                content["images"].append(
                    {"id": image_id, "file_name": name, "width": width, "height": height}
                )
                for label in labels:
                    box = in_pixels(cleaned.boxes[label.id], width, height)
                    content["annotations"].append(
                        {
                            "id": len(content["annotations"]) + 1,
                            "image_id": image_id,
                            "category_id": number[label.label],
                            "bbox": box,
                            "area": box[2] * box[3],
                            "iscrowd": 0,
                            "weight": label.weight,
                            "label_id": label.id,
                            "original_label": label.original,
                        }
                    )
                done += 1
                if progress is not None and done % 100 == 0:
                    progress(done / images, f"{done} images copied")
            text = json.dumps(content, ensure_ascii=False)
            (target / split / "labels.json").write_text(text, encoding="utf-8")
        write_changes(target / "changes.csv", cleaned.changed)


def size_of(path: str) -> tuple[int, int]:
    """Return width and height of an image in pixels, as FiftyOne takes them."""
    import fiftyone as fo

    metadata = fo.ImageMetadata.build_for(path)
    return int(metadata.width), int(metadata.height)


def in_pixels(box: Any, width: int, height: int) -> list[float]:
    """Return a box as COCO has it: left, top, width and height in pixels.

    Parameters
    ----------
    box : sequence of 4 float
        The same in shares of the image, as FiftyOne has it.
    """
    left, top, wide, high = (float(number) for number in box)
    return [left * width, top * height, wide * width, high * height]
