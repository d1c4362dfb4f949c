"""What is ours on a dataset is on record as ours; what is a user's is never taken over.

A field of ours carries a mark in its `info`, which stays with it when the dataset is cloned,
exported or the field renamed, and is gone when somebody deletes the field and makes one of the same
name. A saved view of ours is known by its description. A tag has nothing to carry a mark: ours are
those that a round on record has set.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import fiftyone as fo
from bson import json_util
from fiftyone.core.utils import to_slug

from ..core.errors import DataError
from .lock import lock
from .names import RUN_METHOD, Names

_MARK = "coreset_cleaning"
PLUGIN = "@coreset/label-cleaning"


def is_ours(dataset: fo.Dataset, field: str) -> bool:
    """Tell whether a field is there and was made by this project."""
    found = dataset.get_field(field)
    if found is None:
        return False
    return (found.info or {}).get(_MARK) == field or _is_of_version_0_1(dataset, field)


def declare(dataset: fo.Dataset, field: str, description: str = "", **kind: Any) -> None:
    """Add a field of ours unless it is there.

    Parameters
    ----------
    dataset : fiftyone.Dataset
    field : str
        Its name, or where it is in another field; what is in a field of ours needs no mark.
    description : str, optional
        The App's tooltip.
    **kind
        Type, as for ``Dataset.add_sample_field``.
    """
    found = dataset.get_field(field)
    parent = field.rpartition(".")[0]
    part = bool(parent) and is_ours(dataset, parent)
    if found is None:
        info = {} if part else {"info": {_MARK: field}}
        dataset.add_sample_field(field, description=description or None, **kind, **info)
    elif not part and _MARK not in (found.info or {}):  # of version 0.1
        found.info = {**(found.info or {}), _MARK: field}
        found.save()


def field_made_as(dataset: fo.Dataset, name: str) -> str | None:
    """Return the field of ours that was made under a name, whatever it is called now."""
    for path, field in dataset.get_field_schema(flat="." in name).items():
        if (field.info or {}).get(_MARK) == name:
            return str(path)
    return None


def is_our_run(dataset: fo.Dataset, key: str, label_field: str | None = None) -> bool:
    """Tell whether a run was made by this project, for a label field if one is given."""
    config = dataset.get_run_info(key).config
    if config is None or config.method != RUN_METHOD:
        return False
    return label_field is None or getattr(config, "label_field", label_field) == label_field


VIEW_MARK = "Label cleaning: "


def is_our_view(dataset: fo.Dataset, names: Names, name: str) -> bool:
    """Tell whether a saved view was made by this project."""
    description = dataset.get_saved_view_info(name)["description"] or ""
    old = ("Unreviewed samples labeled ", "Samples that reviewers ", "Round ")
    if description.startswith((VIEW_MARK, *old)):
        return True
    # Version 0.1 gave the view of the coreset no description.
    return name == names.coreset_view and is_ours(dataset, names.coreset_weight)


def is_up_to_date(dataset: fo.Dataset, name: str) -> bool:
    """Tell whether a saved view is there as this version makes it; older ones had limits."""
    if not dataset.has_saved_view(name):
        return False
    return (dataset.get_saved_view_info(name)["description"] or "").startswith(VIEW_MARK)


def save_view(
    dataset: fo.Dataset, name: str, view: Any, description: str, color: str | None = None
) -> None:
    """Save a view of ours, in place of one of ours with that name.

    One that is there is rewritten and not replaced, as FiftyOne would: it is never gone for whoever
    opens it meanwhile, and two processes may save it at the same time.

    Raises
    ------
    DataError
        When a user has a view of that name.
    """
    description = VIEW_MARK + description
    saved = _saved_view(dataset, name)
    if saved is None:
        with lock(dataset, f"saved view {name}", "saving a view"):
            saved = _saved_view(dataset, name)
            if saved is None:
                dataset.save_view(name, view, description=description, color=color)
                return
    if not is_our_view(dataset, Names(), saved.name):
        raise DataError(
            f"dataset {dataset.name!r} has a saved view {saved.name!r} that no cleaning put there.",
            f"Rename it: dataset.load_saved_view({saved.name!r}), save it under another name, then "
            f"dataset.delete_saved_view({saved.name!r}).",
        )
    saved.name = name
    saved.description = description
    saved.color = color or saved.color
    saved.view_stages = [json_util.dumps(stage) for stage in view._serialize(include_uuids=False)]
    saved.last_modified_at = datetime.utcnow()  # as FiftyOne does
    saved.save()


def _saved_view(dataset: fo.Dataset, name: str) -> Any:
    """Return the record of a saved view as it is now, or None; names of one slug are one."""
    dataset._doc.reload("saved_views")
    slug = to_slug(name)
    return next((saved for saved in dataset._doc.get_saved_views() if saved.slug == slug), None)


def _is_of_version_0_1(dataset: fo.Dataset, field: str) -> bool:
    """Tell whether version 0.1 made a field: it noted in the App's settings what it described."""
    arranged = dataset.app_config.plugins.get(PLUGIN, {}).get("arranged", [])
    names = Names()
    if field == names.review:
        return f"{field}.verdict" in arranged
    if field == names.prediction:
        return names.importance in arranged and any(
            key.startswith("cleaning_after_") for key in dataset.list_evaluations()
        )
    if field == names.coreset_weight:
        return names.importance in arranged and dataset.has_saved_view(names.coreset_view)
    return field in arranged
