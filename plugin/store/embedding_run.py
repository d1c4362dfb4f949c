"""The record of which network filled an embeddings field: vectors of two never mix silently."""

from __future__ import annotations

import json
from typing import Any

import fiftyone as fo

from ..core.errors import DataError
from . import names, ownership
from .records import Records
from .samples import everything


def check_same_network(dataset: fo.Dataset, field: str, network: dict[str, Any]) -> None:
    """Refuse to add vectors to a field that another network, or an unknown one, has filled.

    Parameters
    ----------
    dataset : fiftyone.Dataset
        The dataset.
    field : str
        Its embeddings field; may not exist yet.
    network : dict
        Description of the network that is about to be used.

    Raises
    ------
    DataError
        When the field's vectors come from another network.
    """
    if not dataset.has_field(field) or not everything(dataset).exists(field).limit(1):
        return
    if is_same_network(dataset, field, network):
        return
    known = recorded_network(dataset, field)
    was = "a source that is not on record" if known is None else _named(known)
    raise DataError(
        f"field {field!r} of dataset {dataset.name!r} holds vectors of {was}; those of "
        f"{_named(network)} must not be mixed in.",
        "Give another embeddings_field, or overwrite all vectors of the dataset with "
        "overwrite=True (`coreset-cleaning embed --overwrite`).",
    )


def check_free(dataset: fo.Dataset, field: str) -> None:
    """Make sure that neither the record of a field's network nor our tag is a user's own.

    Raises
    ------
    DataError
        Names what is in the way.
    """
    key, tag = names.field_run_key("embedding", field), names.TAG_UNREADABLE
    if dataset.has_run(key) and not ownership.is_our_run(dataset, key):
        raise DataError(
            f"dataset {dataset.name!r} has a run {key!r} that this project did not make.",
            f"Rename it: dataset.rename_run({key!r}, NEW_KEY)",
        )
    if not Records(dataset).heads("embedding") and everything(dataset).match_tags(tag).limit(1):
        raise DataError(
            f"dataset {dataset.name!r} has a tag {tag!r} that this project did not set.",
            f"Rename it: view = dataset.match_tags({tag!r}); view.tag_samples(NEW_TAG); "
            f"view.untag_samples({tag!r})",
        )


def is_same_network(dataset: fo.Dataset, field: str, network: dict[str, Any]) -> bool:
    """Tell whether a network is on record as the one that filled `field`."""
    known = recorded_network(dataset, field)
    return known is not None and _identity(known) == _identity(network)


def forget(dataset: fo.Dataset, field: str) -> None:
    """Take the record of a field's network away; the field is gone."""
    key = names.field_run_key("embedding", field)
    if dataset.has_run(key):
        dataset.delete_run(key)


def recorded_network(dataset: fo.Dataset, field: str) -> dict[str, Any] | None:
    """Return the description of the network that filled `field`, or None."""
    key = names.field_run_key("embedding", field)
    if not dataset.has_run(key) or not ownership.is_our_run(dataset, key):
        return None
    return dict(dataset.get_run_info(key).config.network)


def network_name(dataset: fo.Dataset, field: str) -> str | None:
    """Return network and hash of the weights that filled `field`; None when not on record."""
    network = recorded_network(dataset, field)
    return None if network is None else _named(network)


def record_network(
    dataset: fo.Dataset, field: str, network: dict[str, Any], anew: bool = False
) -> None:
    """Put on record which network fills `field`.

    Parameters
    ----------
    dataset : fiftyone.Dataset
        The dataset.
    field : str
        Its embeddings field.
    network : dict
        Description of the network; precisions add up, when runs on unlike machines had several.
    anew : bool, default False
        Whether the vectors that were there are overwritten.
    """
    key = names.field_run_key("embedding", field)
    known = recorded_network(dataset, field) if not anew else None
    if known is not None:
        both = {*_precisions(known), *_precisions(network)}
        network = {**network, "precision": ", ".join(sorted(both))}
    config = dataset.init_run(
        method=names.RUN_METHOD,
        kind="embedding",
        embeddings_field=field,
        network=network,
    )
    if dataset.has_run(key):
        dataset.update_run_config(key, config)
    else:
        dataset.register_run(key, config)


def _precisions(network: dict[str, Any]) -> list[str]:
    return [p for p in network.get("precision", "").split(", ") if p and p != "unknown"]


def _identity(network: dict[str, Any]) -> tuple[Any, ...]:
    # What comes from the database may be a dictionary of another type.
    steps = json.dumps(network["preprocessing"], sort_keys=True, default=str)
    return network["model"], network["weights_hash"], steps


def _named(network: dict[str, Any]) -> str:
    return f"{network['model']} (weights {network['weights_hash']})"
