"""FiftyOne's own annotation, the tab "Annotate" of a sample: what it offers for a label field."""

from __future__ import annotations

from collections.abc import Sequence

from .labels import LabelField

_RADIO = 5  # classes at most that are shown side by side, as FiftyOne itself has it


def offer_classes(labels: LabelField, classes: Sequence[str]) -> None:
    """Let the tab offer the classes; where the user has set the field up, nothing changes.

    Parameters
    ----------
    labels : LabelField
    classes : sequence of str
    """
    dataset, name = labels.dataset, labels.name
    # Of objects, the tab can't show the marks that are their attributes.
    if labels.of_crops or not hasattr(dataset, "update_label_schema"):  # not before FiftyOne 1.13
        return
    if name in dataset.label_schemas:
        return
    schema = {
        "type": "classification",
        "component": "radio" if len(classes) <= _RADIO else "dropdown",
        "classes": list(classes),
        # These alone: one of a kind that the tab does not know would be refused.
        "attributes": [
            {"name": "id", "type": "id", "component": "text", "read_only": True},
            {"name": "tags", "type": "list<str>", "component": "text"},
        ],
    }
    dataset.update_label_schema(name, schema)
    dataset.activate_label_schemas(name)
