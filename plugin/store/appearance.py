"""How the App shows what this project writes: a side bar group, colours, what the grid tells.

The dataset's App config belongs to its user. A path is placed once, and only where the user has
not placed it: what they move or take away stays as they want it.
"""

from __future__ import annotations

from typing import Any

import fiftyone as fo

from ..core.review.palette import OUTCOME_COLORS
from . import names

GROUP = "label cleaning"

_VERDICT = f"{names.REVIEW}.verdict"
_PLUGIN, _ARRANGED = "@coreset/label-cleaning", "arranged"

# In the order of the side bar, with what its tooltip says.
_DESCRIPTIONS = {
    names.SUGGESTED: "The most probable other class, with its probability",
    names.IMPORTANCE: "How much this label sways a classifier: the highest are looked at first",
    names.DISAGREEMENT: "Share of the most similar images that carry another label",
    names.INFLUENCE: "How far the sample moves a classifier; coresets are drawn by it",
    names.WEIGHT: "1, or 0 for samples that reviewers deleted",
    names.ORIGINAL: "The label before a reviewer changed it",
    _VERDICT: "What reviewers decided",
    f"{names.REVIEW}.round": "The round of the verdict",
    f"{names.REVIEW}.reviewers": "Who decided it",
    f"{names.REVIEW}.reviewed_at": "When it was decided",
    f"{names.REVIEW}.comment": "What the reviewer wrote about it",
    f"{names.REVIEW}.annotation_ids": "Ids of the answers in Label Studio",
}
# What thumbnails tell beside the label: always, and in a queue, where the question is why.
_IN_GRID = (names.SUGGESTED, _VERDICT)
_IN_QUEUE = (names.SUGGESTED, names.IMPORTANCE, names.DISAGREEMENT)


def arrange(dataset: Any, label_field: str) -> None:
    """Group, colour and describe the fields of this project that the dataset has by now.

    Parameters
    ----------
    dataset : fiftyone.Dataset
    label_field : str
        The labels that are cleaned; thumbnails show them beside the suggestion.
    """
    schema = dataset.get_field_schema(flat=True)
    config = dataset.app_config
    settings = config.plugins.get(_PLUGIN, {})
    done = settings.get(_ARRANGED, [])
    new = [path for path in _DESCRIPTIONS if path in schema and path not in done]
    if not new:
        return
    for path in new:
        _describe(schema[path], _DESCRIPTIONS[path])
    _group(config, dataset, new)
    _color(config, new)
    _show_in_grid(config, dataset, label_field, new)
    config.plugins[_PLUGIN] = {**settings, _ARRANGED: [*done, *new]}
    dataset.save()


def queue_fields(label_field: str) -> list[str]:
    """Return what the thumbnails of a queue tell: label, suggestion, importance and why."""
    return [label_field, *_IN_QUEUE]


def _describe(field: Any, description: str) -> None:
    if field.description is None:
        field.description = description
        field.save()


def _group(config: Any, dataset: Any, new: list[str]) -> None:
    if config.sidebar_groups is None:
        config.sidebar_groups = fo.DatasetAppConfig.default_sidebar_groups(dataset)
        for group in config.sidebar_groups:
            group.paths = [path for path in group.paths if path not in new]
        config.sidebar_groups = [g for g in config.sidebar_groups if g.name != names.REVIEW]
    groups = config.sidebar_groups
    placed = {path for group in groups for path in group.paths}
    paths = [path for path in new if path not in placed]
    ours = next((group for group in groups if group.name == GROUP), None)
    if ours is None and paths:
        ours = fo.SidebarGroupDocument(name=GROUP, expanded=True)
        labels = [i for i, group in enumerate(groups) if group.name == "labels"]
        groups.insert(labels[0] + 1 if labels else len(groups), ours)
    if ours is not None:
        ours.paths = [*ours.paths, *paths]


def _color(config: Any, new: list[str]) -> None:
    if _VERDICT not in new:
        return
    if config.color_scheme is None:
        # Colours of single values are shown in this mode only.
        config.color_scheme = fo.ColorScheme(
            color_by="value", color_pool=list(fo.app_config.color_pool)
        )
    scheme = config.color_scheme
    by_path = {field["path"] for field in scheme.fields or []}
    colors = {
        _VERDICT: {o.value: color for o, color in OUTCOME_COLORS.items()},
        "tags": {names.OUTCOME_TAGS[o]: color for o, color in OUTCOME_COLORS.items()},
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


def _show_in_grid(config: Any, dataset: Any, label_field: str, new: list[str]) -> None:
    if config.active_fields is None:
        config.active_fields = fo.DatasetAppConfig.default_active_fields(dataset)
        paths = config.active_fields.paths or []
        config.active_fields.paths = [path for path in paths if path not in _DESCRIPTIONS]
    active = config.active_fields
    if active.exclude:  # the list says what is hidden
        return
    shown = [path for path in _IN_GRID if path in new and path not in active.paths]
    if label_field not in active.paths:
        shown.insert(0, label_field)
    active.paths = [*active.paths, *shown]
