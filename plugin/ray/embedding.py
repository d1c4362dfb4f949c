"""Embeddings by the actors of a Ray cluster, who write them to the database themselves."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from ..core.errors import CleaningError
from ..embedding.networks import Network
from .cluster import Database, connect, resources, worker_failure

BLOCK = 256  # images handed to an actor at a time; an actor that dies repeats at most so many

Seen = Callable[[int], None]


class Embedder:
    """One actor: the network, and the dataset it writes to."""

    def __init__(
        self, network: Any, database: Database, dataset: str, field: str, batch_size: int | None
    ) -> None:
        import ray
        import torch

        from ..core.scoring.rows import thread_count
        from ..embedding.extractor import Forward

        self._dataset = database.load(dataset)
        self._field = field
        self._batch_size = batch_size
        network = ray.get(network)
        device = torch.device("cuda" if ray.get_gpu_ids() else "cpu")
        torch.set_num_threads(thread_count())
        self._network: Network = network
        self._forward = Forward(network, device)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Embed a block of images and write the vectors; give what became of it."""
        from ..embedding.extractor import Extraction
        from ..store.vectors import ids_without_vector, write_vectors

        paths = dict(zip(map(str, batch["ids"][0]), map(str, batch["paths"][0]), strict=True))
        # A block may come again after an actor's death: what is written already stays.
        ids = ids_without_vector(self._dataset.select(list(paths)), self._field)
        failed: list[tuple[str, str]] = []
        extraction = Extraction(
            self._network,
            [paths[i] for i in ids],
            batch_size=self._batch_size,
            num_workers=0,
            device=self._forward.device,
            forward=self._forward,
        )
        for indices, vectors, failures in extraction:
            found = {ids[i]: vector for i, vector in zip(indices, vectors, strict=True)}
            write_vectors(self._dataset, self._field, found)
            failed += [(ids[index], reason) for index, reason in failures]
        # The first row stands for the block, the others for the images that gave no vector.
        return {
            "seen": [len(paths), *(0 for _ in failed)],
            "precision": [self._forward.precision] * (1 + len(failed)),
            "id": ["", *(sample_id for sample_id, _ in failed)],
            "reason": ["", *(reason for _, reason in failed)],
        }


def embed(
    network: Network,
    dataset: Any,
    field: str,
    ids: Sequence[str],
    paths: Sequence[str],
    *,
    batch_size: int | None = None,
    num_workers: int | None = None,
    seen: Seen | None = None,
) -> tuple[list[tuple[str, str]], str]:
    """Embed images on a Ray cluster.

    Parameters
    ----------
    network : Network
        Travels to the actors with its weights, so they need no file of them.
    dataset : fiftyone.Dataset
        Its `field` must be declared.
    field : str
    ids, paths : sequences of str
        Samples, and their images as the nodes see them.
    batch_size : int, optional
        See `embedding.extractor.extract`.
    num_workers : int, optional
        Actors. Default: one for each GPU of the cluster, or else one for each CPU.
    seen : callable(int), optional
        Called with the number of images done since the last call.

    Returns
    -------
    failures : list of (str, str)
        Sample id and reason of each image that gave no vector.
    precision : str
        What the actors computed in; several, separated by commas, on unlike machines.
    """
    ray = connect()
    from ray import data

    database = Database.of_this_process(ray)
    cpus, gpus = resources(ray)
    count = num_workers or gpus or cpus
    blocks = [
        {"ids": list(ids[i : i + BLOCK]), "paths": list(paths[i : i + BLOCK])}
        for i in range(0, len(ids), BLOCK)
    ]
    if not blocks:
        return [], "unknown"
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    data.DataContext.get_current().enable_progress_bars = False
    done = data.from_items(blocks, override_num_blocks=len(blocks)).map_batches(
        Embedder,
        fn_constructor_args=(ray.put(network), database, dataset.name, field, batch_size),
        batch_size=1,
        compute=data.ActorPoolStrategy(size=min(count, len(blocks))),
        # On a GPU, the actor's CPUs decode while the network computes.
        num_cpus=max(1, (cpus - 1) // gpus) if gpus else 1,
        num_gpus=1 if gpus else 0,
    )
    failures: list[tuple[str, str]] = []
    precisions: set[str] = set()
    try:
        for part in done.iter_batches(batch_size=None, prefetch_batches=0):
            if seen:
                seen(int(part["seen"].sum()))
            precisions |= set(part["precision"]) - {"unknown"}
            failures += [
                (str(i), str(reason))
                for i, reason in zip(part["id"], part["reason"], strict=True)
                if i
            ]
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, CleaningError):
            raise cause from error
        raise worker_failure(error) from error
    return failures, ", ".join(sorted(precisions)) or "unknown"
