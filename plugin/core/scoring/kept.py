"""A fit as plain arrays, so that another process can start from it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .linalg import Bound
from .model import LabelModel
from .neighbors import Neighbors
from .signals import Signals

# Some 150 bytes a row are kept, most of them neighbours; above that many rows they are no longer
# small, and a search that takes minutes is.
MOST_ROWS = 200_000

Arrays = dict[str, NDArray[Any]]


def to_arrays(model: LabelModel) -> Arrays | None:
    """Return what a fit consists of, by name; None where that is too much to keep.

    Parameters
    ----------
    model : LabelModel

    Returns
    -------
    dict of str to ndarray or None
        None from 200,000 rows on.
    """
    if len(model.hashed) > MOST_ROWS:
        return None
    found: dict[str, Any] = {
        **{name: getattr(model, name) for name in _PLAIN},
        "C": np.float64(model.C),
        "group": model.neighbors.group,
        "lists": model.neighbors.lists,
        "bound_values": model.bound.values,
        # The eigenvectors only turn coordinates: half their digits are enough.
        "bound_vectors": _half(model.bound.vectors),
        "names": None if model.names is None else np.array(model.names, dtype=np.str_),
    }
    if model.signals is not None:
        found |= {f"signal_{name}": getattr(model.signals, name) for name in _SIGNALS}
    return {name: np.asarray(value) for name, value in found.items() if value is not None}


def from_arrays(arrays: Arrays) -> LabelModel:
    """Return the fit that `to_arrays` took apart."""
    vectors, names = arrays.get("bound_vectors"), arrays.get("names")
    signals = None
    if "signal_weights" in arrays:
        weights, offsets, channel, information = (arrays[f"signal_{name}"] for name in _SIGNALS)
        # Both channels by doubt are learned anew with every scoring.
        both = np.stack([channel, channel])
        signals = Signals(weights, offsets, channel, information, both)
    return LabelModel(
        **{name: arrays.get(name) for name in _PLAIN},  # type: ignore[arg-type]
        names=None if names is None else tuple(names.tolist()),
        C=float(arrays["C"]),
        bound=Bound(
            arrays["bound_values"], None if vectors is None else vectors.astype(np.float64)
        ),
        neighbors=Neighbors(arrays["group"], arrays["lists"]),
        signals=signals,
    )


def _half(values: NDArray[Any] | None) -> NDArray[Any] | None:
    return None if values is None else values.astype(np.float32)


_PLAIN = (
    "classes", "mean", "scale", "coef", "channel", "rows", "inverse_probability", "fold_coef",
    "hashed",
)  # fmt: skip
_SIGNALS = ("weights", "offsets", "channel", "information")
