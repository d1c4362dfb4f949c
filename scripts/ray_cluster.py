"""A Ray cluster of one node for tests and benchmarks; listens to 127.0.0.1 only."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

import psutil

START_SECONDS, STOP_SECONDS = 120, 3
HOST = "127.0.0.1"
# Otherwise Ray replaces 127.0.0.1 by the machine's address and listens to the whole network. It is
# read when Ray is imported, so a process that joins must have it, too.
LOOPBACK_ONLY = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}


class RayCluster:
    """`ray start --head` while the block runs; RAY_ADDRESS names it to this process.

    Parameters
    ----------
    num_cpus : int
        CPUs it offers, whatever the machine has.
    """

    def __init__(self, num_cpus: int = 2) -> None:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self.address = f"{HOST}:{probe.getsockname()[1]}"
        self._num_cpus = num_cpus
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> RayCluster:
        late = [name for name in LOOPBACK_ONLY if name not in os.environ]
        if late and "ray" in sys.modules:
            raise RuntimeError(
                f"{', '.join(late)} must be set before ray is imported: Ray would look for "
                f"{self.address} at the machine's own address. Set LOOPBACK_ONLY first."
            )
        os.environ.update(LOOPBACK_ONLY)
        port = self.address.rpartition(":")[2]
        ray = Path(sys.executable).with_name("ray")
        options = [
            "--head", "--block", f"--port={port}", f"--node-ip-address={HOST}",
            f"--num-cpus={self._num_cpus}", "--num-gpus=0", "--include-dashboard=false",
            "--disable-usage-stats", f"--object-store-memory={256 * 2**20}",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            [ray, "start", *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait(port)
        os.environ["RAY_ADDRESS"] = self.address
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.environ.pop("RAY_ADDRESS", None)
        if "ray" in sys.modules:
            import ray

            ray.shutdown()
        if self._process is not None:
            parent = psutil.Process(self._process.pid)
            everything = [*parent.children(recursive=True), parent]
            self._process.terminate()  # with --block it ends what it has started
            _, left = psutil.wait_procs(everything, timeout=STOP_SECONDS)
            for process in left:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            self._process.wait()

    def workers(self, title: str) -> list[psutil.Process]:
        """Give the cluster's worker processes whose title begins with ``ray::`` and `title`."""
        assert self._process is not None
        found = []
        for process in psutil.Process(self._process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if process.cmdline() and process.cmdline()[0].startswith(f"ray::{title}"):
                    found.append(process)
        return found

    def _wait(self, port: str) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self._process is not None and self._process.poll() is not None:
                raise RuntimeError(f"ray start ended with code {self._process.returncode}")
            with socket.socket() as probe:
                if probe.connect_ex((HOST, int(port))) == 0:
                    return
            time.sleep(0.2)
        raise TimeoutError(f"no Ray cluster at {self.address} after {START_SECONDS} s")
