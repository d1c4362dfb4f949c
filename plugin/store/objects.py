"""What a query asks of the objects of an image, and changes of many of them in few updates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from functools import reduce
from operator import and_
from typing import Any

import fiftyone as fo
from bson import ObjectId
from fiftyone import ViewField as F
from pymongo import UpdateOne

from .selection import Selection

_AT_ONCE = 100  # objects that one update changes: each is looked for among all of the image


def condition(selection: Selection, leaf: Callable[[str], str]) -> Any:
    """Return what an object must fulfil, or None; `leaf` names a field within an object."""
    wanted = [F(leaf(field)).exists() for field in selection.has]
    wanted += [~F(leaf(field)).exists() for field in selection.lacks]
    if selection.classes is not None:
        wanted.append(F("label").is_in(list(selection.classes)))
    if selection.counted_by:
        wanted.append(F(leaf(selection.counted_by)) != 0)
    if selection.with_tags:
        wanted.append(F("tags").contains(list(selection.with_tags)))
    if selection.without_tags:
        wanted.append(~F("tags").contains(list(selection.without_tags)))
    return reduce(and_, wanted) if wanted else None


def those_meant(root: str, selection: Selection, leaf: Callable[[str], str]) -> dict[str, Any]:
    """Return the stage that gives each sample, as `objects`, those below `root` that are meant."""
    objects: Any = {"$ifNull": [f"${root}", []]}
    wanted = condition(selection, leaf)
    if wanted is not None:
        meets = wanted.to_mongo(prefix="$$this")
        objects = {"$filter": {"input": objects, "as": "this", "cond": meets}}
    return {"$project": {"objects": objects}}


def object_updates(
    of_sample: Mapping[Any, Sequence[ObjectId]],
    values: Callable[[str], Mapping[str, Any]],
    path_of: Callable[[str, str], str],
) -> Iterator[UpdateOne]:
    """Yield the updates that write fields of objects.

    Parameters
    ----------
    of_sample : mapping of ObjectId to sequence of ObjectId
        Sample to those of its objects that change.
    values : callable(id)
        What to write of an object, by field.
    path_of : callable(field, place)
        Where a field is of the object at a place among those of its image.
    """
    now = datetime.now(timezone.utc)
    for sample_id, labels in of_sample.items():
        for start in range(0, len(labels), _AT_ONCE):
            part = labels[start : start + _AT_ONCE]
            changes: dict[str, Any] = {"last_modified_at": now}
            for k, label_id in enumerate(part):
                for field, value in values(str(label_id)).items():
                    changes[path_of(field, f"o{k}")] = (
                        value.to_dict() if isinstance(value, fo.Label) else value
                    )
            filters: list[Mapping[str, Any]] = [
                {f"o{k}._id": label_id} for k, label_id in enumerate(part)
            ]
            yield UpdateOne({"_id": sample_id}, {"$set": changes}, array_filters=filters)
