"""The record of which network filled an embeddings field: vectors of two never mix silently."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import fiftyone as fo

from ..core.errors import DataError
from . import names


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
    if not dataset.has_field(field) or not len(dataset.exists(field)):
        return
    known = recorded_network(dataset, field)
    if known is None:
        was = "a source that is not on record"
    elif _identity(known) == _identity(network):
        return
    else:
        was = _named(known)
    raise DataError(
        f"field {field!r} of dataset {dataset.name!r} holds vectors of {was}; those of "
        f"{_named(network)} must not be mixed in. Give another embeddings_field, or overwrite "
        "the old vectors with overwrite=True (`coreset-cleaning embed --overwrite`)."
    )


def recorded_network(dataset: fo.Dataset, field: str) -> dict[str, Any] | None:
    """Return the description of the network that filled `field`, or None."""
    key = names.field_run_key("embedding", field)
    if not dataset.has_run(key):
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
        Whether the vectors that were there are overwritten: caches of them are void.
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
        revision=(None if anew else recorded_revision(dataset, field)) or uuid4().hex,
    )
    if dataset.has_run(key):
        dataset.update_run_config(key, config)
    else:
        dataset.register_run(key, config)


def recorded_revision(dataset: fo.Dataset, field: str) -> str | None:
    """Return what changes whenever the vectors of `field` are computed anew; None: not on record.

    Vectors that are added do not change it.
    """
    key = names.field_run_key("embedding", field)
    if not dataset.has_run(key):
        return None
    return getattr(dataset.get_run_info(key).config, "revision", None)


def _precisions(network: dict[str, Any]) -> list[str]:
    return [p for p in network.get("precision", "").split(", ") if p and p != "unknown"]


def _identity(network: dict[str, Any]) -> tuple[Any, ...]:
    return network["model"], network["weights_hash"], str(network["preprocessing"])


def _named(network: dict[str, Any]) -> str:
    return f"{network['model']} (weights {network['weights_hash']})"
