"""A Ray cluster of one node on this machine, for tests and benchmarks; bound to 127.0.0.1."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

START_SECONDS = 120


class RayCluster:
    """`ray start --head` while the block runs; RAY_ADDRESS names it to this process.

    Parameters
    ----------
    num_cpus : int
        CPUs it offers, whatever the machine has.
    """

    def __init__(self, num_cpus: int = 2) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        self._num_cpus = num_cpus
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> RayCluster:
        environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
        port = self.address.rpartition(":")[2]
        ray = Path(sys.executable).with_name("ray")
        options = [
            "--head", "--block", f"--port={port}", "--node-ip-address=127.0.0.1",
            f"--num-cpus={self._num_cpus}", "--num-gpus=0", "--include-dashboard=false",
            "--disable-usage-stats", f"--object-store-memory={256 * 2**20}",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            [ray, "start", *options],
            env=environment,
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
            self._process.terminate()  # with --block it ends what it has started
            self._process.wait(timeout=60)

    def _wait(self, port: str) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self._process is not None and self._process.poll() is not None:
                raise RuntimeError(f"ray start ended with code {self._process.returncode}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(port))) == 0:
                    return
            time.sleep(0.2)
        raise TimeoutError(f"no Ray cluster at {self.address} after {START_SECONDS} s")
