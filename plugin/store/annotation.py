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
    if not hasattr(dataset, "update_label_schema"):  # in older versions of FiftyOne
        return
    if name in dataset.label_schemas:
        return
    schema = dataset.generate_label_schemas(name, scan_samples=False)
    component = "radio" if len(classes) <= _RADIO else "dropdown"
    dataset.update_label_schema(name, {**schema, "classes": list(classes), "component": component})
    dataset.activate_label_schemas(name)
