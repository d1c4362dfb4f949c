"""Reaching a Ray cluster, and reaching FiftyOne's database from it.

Nothing here imports FiftyOne at the top: a worker must know the database's address first.
"""

from __future__ import annotations

import logging
import os
import socket
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import CleaningError, DataError

# A worker that dies is started again and its work repeated; one that keeps dying (a node without
# enough memory, say) must end the run with an error instead of looping.
MAX_RESTARTS = 5
_KNOCK_SECONDS = 10


def connect() -> Any:
    """Join the cluster of ``RAY_ADDRESS``, or that of this machine; give `ray`.

    A connection that is there already is used as it is. No cluster is started: one that Ray starts
    by itself would listen to the whole network.

    Raises
    ------
    CleaningError
        When Ray is not installed, or there is no cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise CleaningError(
            f"engine='ray' needs Ray, which is not installed ({error}).",
            "pip install 'fiftyone-coreset-cleaning[ray]', on every node.",
        ) from error
    if not ray.is_initialized():
        address = os.environ.get("RAY_ADDRESS", "auto")
        try:
            _knock(address)
            ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
        except OSError as error:  # ConnectionError is one
            where = "this machine" if address == "auto" else f"RAY_ADDRESS={address}"
            raise CleaningError(
                f"engine='ray' needs a running Ray cluster; there is none at {where}.",
                "Start one with `ray start --head`, or name another in RAY_ADDRESS: "
                "docs/scaling.md.",
            ) from error
    return ray


def _knock(address: str) -> None:
    """Fail at once where nothing listens: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_SECONDS).close()


def resources(ray: Any) -> tuple[int, int]:
    """Return how many (CPUs, GPUs) the cluster has."""
    found = ray.cluster_resources()
    return max(1, int(found.get("CPU", 1))), int(found.get("GPU", 0))


@dataclass(frozen=True)
class Database:
    """Where FiftyOne's data are, as a worker has to be told.

    It travels as an argument and not in a runtime environment, which Ray's dashboard and logs
    show: the address may hold a password.
    """

    settings: dict[str, str] = field(repr=False)

    @classmethod
    def of_this_process(cls, ray: Any) -> Database:
        """Give the address of the database that FiftyOne uses here.

        Raises
        ------
        DataError
            When FiftyOne started the database itself and the cluster has more than one node.
        """
        import fiftyone as fo
        from fiftyone.core.odm import get_db_conn

        uri = fo.config.database_uri
        if not uri:
            nodes = [node for node in ray.nodes() if node["Alive"]]
            if len(nodes) > 1:
                raise DataError(
                    f"FiftyOne's database must be one that all {len(nodes)} nodes of the cluster "
                    "reach; it was started by FiftyOne for this machine only.",
                    "Run a MongoDB and set FIFTYONE_DATABASE_URI: docs/scaling.md.",
                )
            host, port = get_db_conn().client.address
            uri = f"mongodb://{host}:{port}"
        return cls(
            {
                "FIFTYONE_DATABASE_URI": uri,
                "FIFTYONE_DATABASE_NAME": fo.config.database_name,
                "FIFTYONE_DATABASE_VALIDATION": str(fo.config.database_validation).lower(),
                # A worker reads and writes samples; it starts no server and migrates nothing.
                "FIFTYONE_DISABLE_SERVICES": "1",
                "FIFTYONE_SHOW_PROGRESS_BARS": "false",
                "FIFTYONE_DO_NOT_TRACK": "true",
            }
        )

    def load(self, dataset: str) -> Any:
        """Load a dataset in a worker, where FiftyOne is not imported yet."""
        os.environ.update(self.settings)
        import fiftyone as fo

        return fo.load_dataset(dataset)


def worker_failure(error: BaseException) -> CleaningError:
    """Say in one line why the cluster gave up."""
    text = " ".join(str(error).split())
    return CleaningError(
        f"the workers of the Ray cluster gave up ({text[-400:]}). What they have written stays.",
        "Fix the cause and run it again.",
    )
