"""Pictures of objects, for desks and forms: what is around the box, with the box drawn."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image, ImageDraw

from ..core.errors import DataError
from ..embedding.images import opened, reason_of, to_rgb, upright
from .workspace import Workspace

CONTEXTS = ("crop", "image")

# People need to see more around an object than a network does: half of its longer side, all around.
_MARGIN = 0.5
_SHORTEST, _LONGEST = 480, 1_600  # pixels of the picture's longer side
_FOR_A_QUESTION = 480
FOR_AN_EXAMPLE = 160
_NAMED_AT_MOST = 5


Show = Callable[[Iterable[str]], dict[str, str]]


@contextmanager
def pictures_for(work: Workspace, desk: Any, options: Mapping[str, Any]) -> Iterator[Show]:
    """Give what returns the path of what a desk shows for labels, as long as the block runs.

    Parameters
    ----------
    work : Workspace
    desk : Desk
        One that shows boxes itself, like the App, gets the images as they are.
    options : mapping
        Of the round: how images get to the desk, and how much of them.

    Raises
    ------
    DataError
        When pictures have to be made of images that can't be read here or are not to be sent.
    """
    if not work.labels.of_crops or desk.shows_dataset:
        yield work.labels.images
        return
    if options["images"] != "upload":
        raise DataError(
            f"objects must be shown with images='upload', got {options['images']!r}: pictures of "
            "them are made here.",
            "Leave images out.",
        )
    whole = options.get("context", CONTEXTS[0]) == "image"
    with TemporaryDirectory(prefix="cleaning-") as folder:
        yield lambda ids: _make(work, Path(folder), ids, whole)


def in_the_app(
    work: Workspace, ids: Iterable[str], longest: int = _FOR_A_QUESTION
) -> dict[str, str]:
    """Return what the App's forms and panels show of labels.

    Parameters
    ----------
    work : Workspace
    ids : iterable of str
        Labels; those that are gone are left out.
    longest : int, default 480
        Pixels of the longer side of a picture that is made here.

    Returns
    -------
    dict of str to str
        Label id to the path of its image. Of an object, a `data:` address with its picture, or the
        path when the image can't be read here: the browser may still show it.
    """
    images = work.labels.images(ids)
    boxes = work.labels.boxes(images)
    return {i: _data_address(path, boxes.get(i), longest) for i, path in images.items()}


def _data_address(path: str, box: Sequence[float] | None, longest: int) -> str:
    if not box:
        return path
    try:
        picture = draw_object(path, box)
    except Exception:  # PIL's readers raise whatever broken bytes lead them to
        return path
    picture.thumbnail((longest, longest))
    file = BytesIO()
    picture.save(file, "JPEG", quality=85)
    return "data:image/jpeg;base64," + b64encode(file.getvalue()).decode()


def _make(work: Workspace, folder: Path, ids: Iterable[str], whole: bool) -> dict[str, str]:
    images = work.labels.images(ids)
    boxes, problems, made = work.labels.boxes(images), [], {}
    for label_id, path in images.items():
        target = folder / f"{label_id}.jpg"
        made[label_id] = str(target)
        if target.exists():  # made for the check already
            continue
        try:
            draw_object(path, boxes[label_id], whole).save(target, quality=90)
        except Exception as error:  # PIL's readers raise whatever broken bytes lead them to
            problems.append(f"{path} ({reason_of(path, error)})")
    if problems:
        more = len(problems) - _NAMED_AT_MOST
        raise DataError(
            f"{len(problems)} of {len(images)} objects can't be shown. Nothing was sent. "
            f"{', '.join(problems[:_NAMED_AT_MOST])}" + (f" and {more} more." if more > 0 else "."),
            "Restore the images, or remove the samples, and push again.",
        )
    return made


def draw_object(path: str, box: Sequence[float], whole: bool = False) -> Image.Image:
    """Return a picture of an object with its box drawn.

    Parameters
    ----------
    path : str
        The image.
    box : sequence of 4 float
        Left, top, width and height as shares of the image.
    whole : bool, default False
        Whether to show the whole image, instead of the box with what is around it.
    """
    with opened(path) as file:
        image = to_rgb(upright(file))
    width, height = image.size
    left, top = box[0] * width, box[1] * height
    right, bottom = left + box[2] * width, top + box[3] * height
    shown = (0.0, 0.0, float(width), float(height))
    if not whole:
        margin = _MARGIN * max(right - left, bottom - top)
        shown = (
            max(left - margin, 0.0),
            max(top - margin, 0.0),
            min(right + margin, float(width)),
            min(bottom + margin, float(height)),
        )
    longer = max(shown[2] - shown[0], shown[3] - shown[1])
    scale = min(max(longer, _SHORTEST), _LONGEST) / longer
    size = (
        max(1, round((shown[2] - shown[0]) * scale)),
        max(1, round((shown[3] - shown[1]) * scale)),
    )
    picture = image.resize(size, Image.Resampling.BICUBIC, box=shown)
    # Black beside white is seen on any ground; outside of the box, so that nothing of it is hidden.
    lines = ImageDraw.Draw(picture)
    edges = [
        round((left - shown[0]) * scale),
        round((top - shown[1]) * scale),
        round((right - shown[0]) * scale),
        round((bottom - shown[1]) * scale),
    ]
    for distance, color in ((2, "white"), (4, "black")):
        lines.rectangle(
            (edges[0] - distance, edges[1] - distance, edges[2] + distance, edges[3] + distance),
            outline=color,
            width=2,
        )
    return picture
