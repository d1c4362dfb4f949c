#!/usr/bin/env python3
"""A database of our own for everything in scripts/ and tests/. Standard library only.

    from own_database import use_own_database

    use_own_database()
    import fiftyone  # only now

FiftyOne uses the database that FIFTYONE_DATABASE_URI or the user's configuration names; without
one, it joins any mongod that another FiftyOne of the same user has started. FIFTYONE_DATABASE_DIR
keeps it from neither. So each run starts a mongod of its own: on a free port of 127.0.0.1, in a
folder of its own, which goes when the run does. What the environment says about FiftyOne is
dropped, and no other database is touched. Whoever means another one says so: `--database-uri`.

The mongod belongs to a guard, a process that waits for the end of its standard input. That comes
when the run ends in whatever way, a kill included, so no mongod is left behind.
"""

from __future__ import annotations

import argparse
import atexit
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CACHE = Path(__file__).resolve().parent.parent / ".cache"
START_SECONDS = 120
STOP_SECONDS = 20
CACHE_GB = 0.5  # mongod's own default is half of the machine's memory
PREFIX = "FIFTYONE_"
NAME = "fiftyone"


class OwnMongod:
    """A mongod on 127.0.0.1 and a free port, in a temporary folder; a context manager that ends it.

    Attributes
    ----------
    uri : str
        Address, once started.
    pid : int
        Of the mongod.

    Raises
    ------
    RuntimeError
        If there is no mongod, or it does not start. The message ends with what it said.
    """

    def __init__(self) -> None:
        self.uri = ""
        self.pid = 0
        self._guard: subprocess.Popen[str] | None = None
        self._owner = 0

    def __enter__(self) -> OwnMongod:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and return when it answers."""
        command = [sys.executable, "-I", str(Path(__file__).resolve()), "guard", str(find_mongod())]
        # A session of its own: Ctrl-C in the terminal must not end it before the run has ended.
        self._guard = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._owner = os.getpid()
        atexit.register(self.stop)
        assert self._guard.stdout is not None
        said = self._guard.stdout.readline().split()
        if len(said) != 2:
            said_last = self._guard.stdout.read().strip()
            self.stop()
            raise RuntimeError(f"FiftyOne's mongod must start, but it does not:\n{said_last}")
        self.uri, self.pid = f"mongodb://127.0.0.1:{said[0]}", int(said[1])

    def stop(self) -> None:
        """End it, and return when it has ended. A forked child leaves it alone."""
        guard, self._guard = self._guard, None
        if guard is None or self._owner != os.getpid():
            return
        atexit.unregister(self.stop)
        for pipe in (guard.stdin, guard.stdout):
            if pipe is not None:
                pipe.close()
        guard.wait()


def use_own_database(uri: str | None = None) -> OwnMongod | None:
    """Make this process and its children use a database of ours, until this process ends.

    Call it before FiftyOne is imported: FiftyOne connects while it is imported. A second call
    changes nothing.

    Parameters
    ----------
    uri : str, optional
        Use this one instead: what the option `--database-uri` said, never what the environment
        says. The other FIFTYONE_ variables then stay as they are.

    Returns
    -------
    OwnMongod or None
        What was started; it ends by itself. None with `uri`.

    Raises
    ------
    RuntimeError
        If FiftyOne is imported already, or no mongod starts.
    """
    if _used:
        return _used[0]
    if "fiftyone" in sys.modules:
        raise RuntimeError("use_own_database must be called before fiftyone is imported.")
    if uri:
        os.environ.update(_settings(uri))
        return None
    mongod = OwnMongod()
    mongod.start()
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    os.environ.update(_settings(mongod.uri))
    os.environ["FIFTYONE_DATABASE_NAME"] = NAME
    # The user's file could name other folders, or forbid that a new database is set up; and the
    # user's plugins would run on our data.
    os.environ["FIFTYONE_CONFIG_PATH"] = str(CACHE / "no-fiftyone-config.json")
    os.environ["FIFTYONE_PLUGINS_DIR"] = str(CACHE / "no-plugins")
    _used.append(mongod)
    return mongod


# What this process uses; empty until then.
_used: list[OwnMongod] = []


def add_database_option(parser: argparse.ArgumentParser) -> None:
    """Add `--database-uri`, the only way to another database than our own."""
    parser.add_argument(
        "--database-uri",
        metavar="URI",
        help="use this MongoDB (default: one of its own that goes at the end)",
    )


def _settings(uri: str) -> dict[str, str]:
    """Return what our runs set for FiftyOne, whichever database they use."""
    return {
        "FIFTYONE_DATABASE_URI": uri,
        "FIFTYONE_DO_NOT_TRACK": "true",
        "FIFTYONE_SHOW_PROGRESS_BARS": "false",
        # No warning that the mongod from the package index is an old one.
        "FIFTYONE_DATABASE_VALIDATION": "false",
    }


def find_mongod() -> Path:
    """Return FiftyOne's mongod, or else the one on the PATH.

    Raises
    ------
    RuntimeError
        If there is none.
    """
    # Not an import of fiftyone: that starts or joins a database.
    spec = importlib.util.find_spec("fiftyone")
    for folder in (spec and spec.submodule_search_locations) or ():
        mongod = Path(folder) / "db" / "bin" / "mongod"
        if mongod.is_file():
            return mongod
    on_path = shutil.which("mongod")
    if on_path is None:
        raise RuntimeError("There is no mongod here. Run scripts/setup, which installs one.")
    return Path(on_path)


# ---- the guard, a process of its own


def guard(mongod: str) -> int:
    """Run `mongod` until standard input ends."""
    # A closed terminal or a kill of this process ends the mongod as well.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    base = CACHE / "databases"
    base.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=base, ignore_cleanup_errors=True) as folder:
        process, port = _start(mongod, Path(folder))
        try:
            print(port, process.pid, flush=True)
            while os.read(0, 4096):
                pass
        finally:
            _end(process)
    return 0


def _start(mongod: str, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start `mongod` on a free port and wait until it answers."""
    data, log = folder / "db", folder / "mongod.log"
    data.mkdir()
    deadline = time.monotonic() + START_SECONDS
    while True:
        # Somebody else may take the port between these lines: then with the next one.
        port = free_port()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [mongod, "--dbpath", str(data), "--bind_ip", "127.0.0.1", "--port", str(port),
                 "--wiredTigerCacheSizeGB", str(CACHE_GB), "--nounixsocket", "--quiet",
                 "--setParameter", "diagnosticDataCollectionEnabled=false"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        try:
            while process.poll() is None and time.monotonic() < deadline:
                # Its own word: at the port, somebody else may answer.
                if "Waiting for connections" in log.read_text(errors="replace"):
                    return process, port
                time.sleep(0.05)
        except BaseException:
            _end(process)
            raise
        if "address already in use" in log.read_text(errors="replace").lower():
            continue
        _end(process)
        print("\n" + log.read_text(errors="replace")[-1500:], flush=True)
        raise SystemExit(1)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a mongod, by force if it does not end by itself."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    if sys.argv[1:2] != ["guard"]:
        sys.exit(__doc__)
    sys.exit(guard(sys.argv[2]))
