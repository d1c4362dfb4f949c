"""How the App shows what this project writes: a side bar group, colours, what the grid tells.

The dataset's App config belongs to its user. A path is placed once, and only where the user has
not placed it: what they move or take away stays as they want it.
"""

from __future__ import annotations

from typing import Any

import fiftyone as fo

from ..core.review.verdicts import Outcome
from .names import Names
from .ownership import PLUGIN

_PLACED = "placed"


def descriptions(names: Names) -> dict[str, str]:
    """Return our fields in the order of the side bar, with what their tooltips say."""
    return {
        names.suggested: "The most probable other class, with its probability",
        names.importance: "How much this label sways a classifier: the highest are looked at first",
        names.wrong: "How likely the label is wrong, by all but the label itself",
        names.disagreement: "Share of the most similar images that carry another label",
        names.influence: "How far the label moves a classifier; coresets are drawn by it",
        names.weight: "1, or 0 for labels that reviewers deleted",
        names.original: "The label before a reviewer changed it",
        names.prediction: "The class that a classifier trained without this sample gives it",
        names.coreset_weight: "Weight in the coreset; empty outside of it",
        f"{names.review}.verdict": "What reviewers decided",
        f"{names.review}.round": "The round of the verdict",
        f"{names.review}.reviewers": "Who decided it",
        f"{names.review}.reviewed_at": "When it was decided",
        f"{names.review}.comment": "What the reviewer wrote about it",
        f"{names.review}.answer_ids": "Ids of the answers at the desk",
    }


def arrange(dataset: Any, label_field: str, names: Names) -> None:
    """Group, colour and describe the fields of this project that the dataset has by now.

    Parameters
    ----------
    dataset : fiftyone.Dataset
    label_field : str
        The labels that are cleaned; thumbnails show them beside the suggestion.
    names : Names
        What our fields of this label field are called.
    """
    schema = dataset.get_field_schema(flat=True)
    config = dataset.app_config
    settings = config.plugins.get(PLUGIN, {})
    if names.root:  # the App shows attributes with their label
        for path in descriptions(names):
            if path in schema:
                _describe(schema[path], descriptions(names)[path])
        return
    done = [*settings.get("arranged", []), *settings.get(_PLACED, [])]  # the first: version 0.1
    texts = descriptions(names)
    new = [path for path in texts if path in schema and path not in done]
    if not new:
        return
    for path in new:
        _describe(schema[path], texts[path])
    groups = settings.get("groups", [])
    if _group(config, dataset, names, new, groups):
        groups = [*groups, names.sidebar_group]
    _color(config, names, new)
    _show_in_grid(config, dataset, label_field, names, new)
    placed = [*settings.get(_PLACED, []), *new]
    config.plugins[PLUGIN] = {**settings, _PLACED: placed, "groups": groups}
    dataset.save()


def queue_fields(label_field: str, names: Names) -> list[str]:
    """Return what the thumbnails of a queue tell: label, suggestion, importance and why."""
    if names.root:  # attributes are shown with their label
        return [label_field]
    return [label_field, names.suggested, names.importance, names.disagreement]


def _describe(field: Any, description: str) -> None:
    if field.description is None:
        field.description = description
        field.save()


def _group(config: Any, dataset: Any, names: Names, new: list[str], made: list[str]) -> bool:
    """Put our fields into a group of their own; return whether the group was made now.

    A user's group of that name stays theirs: then our fields stay where the App puts them.
    """
    if config.sidebar_groups is None:
        config.sidebar_groups = fo.DatasetAppConfig.default_sidebar_groups(dataset)
        for group in config.sidebar_groups:
            group.paths = [path for path in group.paths if path not in new]
        config.sidebar_groups = [g for g in config.sidebar_groups if g.name != names.review]
    groups = config.sidebar_groups
    placed = {path for group in groups for path in group.paths}
    paths = [path for path in new if path not in placed]
    found = next((group for group in groups if group.name == names.sidebar_group), None)
    ours = found is not None and (
        names.sidebar_group in made or any(p in descriptions(names) for p in found.paths)
    )
    if found is not None and not ours:
        return False
    if found is None:
        if not paths:
            return False
        found = fo.SidebarGroupDocument(name=names.sidebar_group, expanded=True)
        labels = [i for i, group in enumerate(groups) if group.name == "labels"]
        groups.insert(labels[0] + 1 if labels else len(groups), found)
    found.paths = [*found.paths, *paths]
    return not ours


def _color(config: Any, names: Names, new: list[str]) -> None:
    verdict = f"{names.review}.verdict"
    if verdict not in new:
        return
    if config.color_scheme is None:
        # Colours of single values are shown in this mode only.
        config.color_scheme = fo.ColorScheme(
            color_by="value", color_pool=list(fo.app_config.color_pool)
        )
    scheme = config.color_scheme
    by_path = {field["path"] for field in scheme.fields or []}
    colors = {
        verdict: {o.value: o.color for o in Outcome},
        "tags": {names.outcome_tag(o): o.color for o in Outcome},
    }
    scheme.fields = [
        *(scheme.fields or []),
        *(
            {
                "path": path,
                "valueColors": [{"value": v, "color": color} for v, color in values.items()],
            }
            for path, values in colors.items()
            if path not in by_path
        ),
    ]


def _show_in_grid(
    config: Any, dataset: Any, label_field: str, names: Names, new: list[str]
) -> None:
    if config.active_fields is None:
        config.active_fields = fo.DatasetAppConfig.default_active_fields(dataset)
        paths = config.active_fields.paths or []
        config.active_fields.paths = [path for path in paths if path not in descriptions(names)]
    active = config.active_fields
    if active.exclude:  # the list says what is hidden
        return
    always = (names.suggested, f"{names.review}.verdict")
    shown = [path for path in always if path in new and path not in active.paths]
    if label_field not in active.paths:
        shown.insert(0, label_field)
    active.paths = [*active.paths, *shown]
