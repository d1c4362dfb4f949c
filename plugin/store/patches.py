"""Saved views of patches: made when somebody opens them, and made anew when the labels changed.

FiftyOne copies the objects of a patches view into a data set of its own, at once and for good: what
a saved one shows is as old as itself. Ours are saved without that copy; the first who opens one
makes it, and `renew` makes the next one make another. What somebody looks at right now stays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import fiftyone as fo
import fiftyone.core.stages as fos
from bson import json_util


class LazyPatches:
    """A view of labels, to be saved as one of patches; has what ``Dataset.save_view`` asks for.

    Parameters
    ----------
    view : fiftyone.DatasetView
        With the labels that are meant.
    field : str
        Theirs.
    sorted_by : str
        A field of the patches, the highest first; empty for none.
    """

    _is_generated = False

    def __init__(self, view: Any, field: str, sorted_by: str = "") -> None:
        self._view = view
        self._field = field
        self._sorted_by = sorted_by
        self._root_dataset = view._root_dataset

    def _serialize(self, include_uuids: bool = False) -> list[dict[str, Any]]:
        stages = list(self._view.view()._serialize(include_uuids=include_uuids))
        state = {
            "dataset_id": str(self._root_dataset._doc.id),
            "stages": list(stages),
            "field": self._field,
            "config": None,
            "name": _free_name(),
        }
        patches = fos.ToPatches(self._field, _state=state)
        stages.append(patches._serialize(include_uuid=include_uuids))
        if self._sorted_by:
            sort = fos.SortBy(self._sorted_by, reverse=True)
            stages.append(sort._serialize(include_uuid=include_uuids))
        return stages

    def _set_name(self, name: str) -> None:
        """Nothing has to know what it was saved as."""


def renew(dataset: fo.Dataset, is_ours: Callable[[str], bool]) -> None:
    """Let those saved views of patches that are ours show the labels as they are now.

    A clone's views would show the objects of what it was cloned from.
    """
    dataset._doc.reload("saved_views")
    own = str(dataset._doc.id)
    for saved in dataset._doc.get_saved_views():
        if not is_ours(saved.name):
            continue
        stages = [json_util.loads(stage) for stage in saved.view_stages]
        states = [state for stage in stages if (state := _state(stage))]
        if any(fo.dataset_exists(s["name"]) or s["dataset_id"] != own for s in states):
            saved.view_stages = [json_util.dumps(_renewed(stage, own)) for stage in stages]
            saved.save()


def _state(stage: dict[str, Any]) -> dict[str, Any]:
    """Return where a stage keeps its copy; empty when it makes none."""
    return dict(stage.get("kwargs", ())).get("_state") or {}


def _renewed(stage: dict[str, Any], dataset_id: str) -> dict[str, Any]:
    if not _state(stage):
        return stage
    state = {**_state(stage), "name": _free_name(), "dataset_id": dataset_id}
    kwargs = [[key, state if key == "_state" else value] for key, value in stage["kwargs"]]
    return {**stage, "kwargs": kwargs}


def _free_name() -> str:
    return f"cleaning-patches-{uuid4().hex}"
