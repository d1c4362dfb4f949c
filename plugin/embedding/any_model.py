"""Embeddings by any object with FiftyOne's model interface: ``embed_all`` or ``embed``.

Nothing of FiftyOne is imported: its models, those of its zoo and a class of one's own all fit.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from torch import nn

from ..core.errors import DataError
from .extractor import Batch, checked, out_of_memory
from .images import decode_whole
from .networks import hash_weights

_BATCH_SIZE = 16


def is_model(model: Any) -> bool:
    """Tell whether an object embeds images by FiftyOne's interface."""
    return hasattr(model, "embed_all") or hasattr(model, "embed")


def describe_model(model: Any) -> dict[str, Any]:
    """Everything known that decides the embedding's values, as plain values for a run's record.

    A model around a torch module is told by its weights, any other by its configuration.
    """
    if not getattr(model, "has_embeddings", True):
        raise DataError(
            f"The model must give embeddings, got {type(model).__name__} with has_embeddings "
            "false.",
            "Load it with embeddings_layer=, or as_feature_extractor=True.",
        )
    module, config = getattr(model, "_model", None), getattr(model, "config", None)
    if isinstance(module, nn.Module):
        digest = hash_weights(module)
    else:
        digest = hashlib.sha256(str(config).encode()).hexdigest()[:16]
    return {
        "model": str(getattr(model, "name", None) or type(model).__name__),
        "weights": "the given model's own",
        "weights_hash": digest,
        "preprocessing": " ".join(str(getattr(model, "transforms", "the model's own")).split()),
        "precision": "the model's own",
    }


def embed_with(
    model: Any, filepaths: Sequence[str], batch_size: int | None = None
) -> Iterator[Batch]:
    """Embed image files as `extractor.extract` does, with a given model.

    Parameters
    ----------
    model : object
        Its ``embed_all`` gets a list of uint8 RGB arrays, its ``embed`` one of them.
    filepaths : sequence of str
    batch_size : int, default=16
        Images held in memory at a time, in full size. A model whose ``ragged_batches`` is true
        gets them one by one.

    Yields
    ------
    indices, vectors, failures
        See `extractor.extract`.
    """
    size = batch_size or _BATCH_SIZE
    with in_embedding_mode(model):
        for start in range(0, len(filepaths), size):
            images, positions, failures = decode_whole(filepaths[start : start + size])
            vectors = embed_images(model, images)
            indices = np.asarray(positions, np.int64) + start
            failed = [(start + position, reason) for position, reason in failures]
            yield checked(indices, vectors, failed, "model")


@contextlib.contextmanager
def in_embedding_mode(model: Any) -> Iterator[None]:
    """Open a model, and let it prepare images itself."""
    with contextlib.ExitStack() as stack:
        if hasattr(model, "__enter__"):
            stack.enter_context(model)
        if hasattr(model, "preprocess"):
            before = model.preprocess
            stack.callback(setattr, model, "preprocess", before)
            model.preprocess = True
        yield


def embed_images(model: Any, images: list[Any]) -> Any:
    """Return one vector for each image, as a float32 matrix."""
    if not images:
        return np.empty((0, 0), np.float32)
    if getattr(model, "ragged_batches", False) or not hasattr(model, "embed_all"):
        vectors = [_flat(model.embed(image)) for image in images]
    else:
        try:
            vectors = [_flat(vector) for vector in model.embed_all(images)]
        except RuntimeError as error:
            if not out_of_memory(error) or len(images) == 1:
                raise
            half = len(images) // 2
            vectors = [*embed_images(model, images[:half]), *embed_images(model, images[half:])]
    if len(vectors) != len(images):
        raise DataError(
            f"The model {type(model).__name__} must give one embedding per image, got "
            f"{len(vectors)} for {len(images)} images.",
            "Check its embed_all.",
        )
    return np.stack(vectors).astype(np.float32)


def _flat(vector: Any) -> Any:
    if hasattr(vector, "detach"):
        vector = vector.detach().float().cpu().numpy()
    return np.asarray(vector, dtype=np.float32).reshape(-1)
