"""Whatever this checkout runs, no other database is read, changed or joined."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bson
import psutil
import pymongo
import pytest

from own_database import OwnMongod, find_mongod

ROOT = Path(__file__).resolve().parents[2]

# Somebody's work: two datasets, one of the name that the documentation uses.
SOMEBODY = """
import fiftyone as fo
for name, n in (("my-images", 3), ("tutorial", 2)):
    dataset = fo.Dataset(name, persistent=True)
    dataset.add_samples(
        [fo.Sample(filepath=f"/mine/{i}.jpg", ground_truth=fo.Classification(label="cat"))
         for i in range(n)]
    )
"""
# What a user may run, each a line of a shell in the checkout, what it prints when it has run, and
# its exit code.
RUNS = {
    "tests": (
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n0",
         "tests/integration/test_documentation.py::test_python_blocks_run_in_order[fields.md]"],
        "1 passed",
        0,
    ),
    "demo": (
        [sys.executable, "-m", "demonstration", "--data", "{photos}"],
        "--reviewer human",
        1,
    ),
    "benchmark": (
        [sys.executable, "scripts/benchmarks/embed.py", "--tiny", "--images", "0"],
        "read_ratio",
        0,
    ),
    "tutorial": ([sys.executable, "-c", "{tutorial}"], "images, 359 held out", 0),
}  # fmt: skip
# The tutorial up to where its dataset is there.
TUTORIAL = """
import nbformat
cells = [c.source for c in nbformat.read("docs/tutorial.ipynb", 4).cells if c.cell_type == "code"]
for source in cells[:2]:
    exec(source)
"""


def clean_environment() -> dict[str, str]:
    """Return the environment as if no test had set anything for FiftyOne."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("FIFTYONE_")}
    return {**kept, "FIFTYONE_DO_NOT_TRACK": "true", "FIFTYONE_DATABASE_VALIDATION": "false"}


def everything_in(uri: str) -> dict[str, list[bytes]]:
    """Return all documents of all databases of a server, as bytes; times of access are no work."""
    with pymongo.MongoClient(uri) as client:
        return {
            f"{database}.{name}": sorted(bson.encode(d) for d in client[database][name].find())
            for database in client.list_database_names()
            if database not in ("admin", "config", "local")
            for name in client[database].list_collection_names()
        }


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose images nobody knows the true labels of: the demo ends when it finds out."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("photos")
    for name in ("red", "blue"):
        (folder / name).mkdir()
        for number in range(10):
            Image.new("RGB", (32, 32), name).save(folder / name / f"{number}.png")
    return folder


def run(name: str, photos: Path, environment: dict[str, str]) -> None:
    command, says, code = RUNS[name]
    filled = [part.format(photos=photos, tutorial=TUTORIAL) for part in command]
    done = subprocess.run(
        filled,
        cwd=ROOT / "scripts" if name == "demo" else ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert says in (done.stderr if code else done.stdout), done.stdout + done.stderr
    assert done.returncode == code


# ---- the database of somebody else


@pytest.fixture(scope="module")
def theirs() -> Iterator[OwnMongod]:
    """A mongod with somebody's datasets, which the environment names."""
    with OwnMongod() as mongod:
        environment = {**clean_environment(), "FIFTYONE_DATABASE_URI": mongod.uri}
        subprocess.run([sys.executable, "-c", SOMEBODY], env=environment, check=True)
        yield mongod


@pytest.mark.parametrize("name", RUNS)
def test_the_database_that_the_environment_names_stays_as_it_is(
    name: str, theirs: OwnMongod, photos: Path, tmp_path: Path
) -> None:
    before = everything_in(theirs.uri)
    assert sum(map(len, before.values())) > 5
    run(
        name,
        photos,
        {
            **clean_environment(),
            "FIFTYONE_DATABASE_URI": theirs.uri,
            "FIFTYONE_DATABASE_NAME": "fiftyone",
            "FIFTYONE_DATABASE_DIR": str(tmp_path / "never-made"),
        },
    )
    assert everything_in(theirs.uri) == before
    assert not (tmp_path / "never-made").exists()


# What a FiftyOne at work looks like to others: a process of these arguments that answers at a port.
# This one counts who asks to join its mongod, and refuses.
AT_WORK = """
import pickle, socket
with socket.create_server(("127.0.0.1", 0)) as server:
    print("at work", flush=True)
    while True:
        connection, _ = server.accept()
        with connection:
            print(pickle.load(connection.makefile("rb")), flush=True)
            connection.sendall(pickle.dumps(False))
"""
ITS_ARGUMENTS = ["--51-service", "db", "--multi"]


def test_a_mongod_that_another_fiftyone_has_started_is_not_joined(
    photos: Path, tmp_path: Path
) -> None:
    """FiftyOne joins it, whatever FIFTYONE_DATABASE_DIR says, unless it has an address."""
    from fiftyone.service.util import find_processes_by_args, send_ipc_message

    at_work = subprocess.Popen(
        [sys.executable, "-c", AT_WORK, *ITS_ARGUMENTS], stdout=subprocess.PIPE, text=True
    )
    try:
        assert at_work.stdout is not None
        assert at_work.stdout.readline() == "at work\n"
        for name in ("benchmark", "demo"):
            directory = {"FIFTYONE_DATABASE_DIR": str(tmp_path / "never-made")}
            run(name, photos, clean_environment() | directory)
        assert not (tmp_path / "never-made").exists()
        # It would have been found, and the first who asked is this test.
        (found,) = [p for p in find_processes_by_args(ITS_ARGUMENTS) if p.pid == at_work.pid]
        assert send_ipc_message(found, ("register", 0)) is False
        assert at_work.stdout.readline() == "('register', 0)\n"
    finally:
        at_work.kill()
        at_work.communicate()


def test_the_option_names_another_one(theirs: OwnMongod) -> None:
    """Tests then work in a database of their own on that server, and drop it."""
    before = everything_in(theirs.uri)
    test = "tests/integration/test_demo.py::test_a_dataset_of_the_demo_s_name_is_not_replaced"
    command = [*RUNS["tests"][0][:-1], test]
    watched = subprocess.Popen(
        [*command, "--database-uri", theirs.uri],
        cwd=ROOT,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    names: set[str] = set()
    with pymongo.MongoClient(theirs.uri) as client:
        while watched.returncode is None:
            names.update(client.list_database_names())
            with contextlib.suppress(subprocess.TimeoutExpired):
                watched.wait(timeout=0.1)
    assert watched.stdout is not None
    assert " passed" in watched.stdout.read()
    watched.stdout.close()
    (own,) = [name for name in names if name.startswith("coreset-cleaning-tests-")]
    assert everything_in(theirs.uri) == before
    assert f"{own}.datasets" not in before


# ---- our own


def ended(pid: int) -> bool:
    """Wait until a process has ended."""
    try:
        psutil.Process(pid).wait(timeout=30)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True


def test_two_have_nothing_in_common_and_leave_nothing() -> None:
    with OwnMongod() as one, OwnMongod() as two:
        assert one.uri != two.uri
        folders = []
        for mongod in (one, two):
            arguments = psutil.Process(mongod.pid).cmdline()
            folders.append(Path(arguments[arguments.index("--dbpath") + 1]))
            assert "127.0.0.1" in arguments
            assert "--wiredTigerCacheSizeGB" in arguments
            listening = psutil.Process(mongod.pid).net_connections(kind="inet")
            assert {c.laddr.ip for c in listening if c.status == psutil.CONN_LISTEN} == {
                "127.0.0.1"
            }
        assert folders[0] != folders[1]
        with pymongo.MongoClient(one.uri) as client:
            client["mine"]["things"].insert_one({"a": 1})
        assert "mine.things" not in everything_in(two.uri)
    for mongod, folder in zip((one, two), folders, strict=True):
        assert ended(mongod.pid)
        assert not folder.parent.exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_the_process_that_started_it(number: signal.Signals) -> None:
    code = (
        "from own_database import use_own_database\n"
        "print(use_own_database().pid, flush=True)\n"
        "import time; time.sleep(600)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**clean_environment(), "PYTHONPATH": str(ROOT / "scripts")},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    process.stdout.close()
    mongod = psutil.Process(pid)
    assert mongod.is_running()
    process.send_signal(number)
    process.wait(timeout=60)
    assert ended(pid)


def test_a_mongod_that_does_not_start_is_an_error_with_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "mongod"
    broken.write_text("#!/bin/sh\necho it is broken\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr("own_database.find_mongod", lambda: broken)
    with pytest.raises(RuntimeError, match="it is broken"):
        OwnMongod().start()


def test_fiftyone_must_not_be_there_yet() -> None:
    code = (
        "import sys, types\n"
        "sys.modules['fiftyone'] = types.ModuleType('fiftyone')\n"
        "from own_database import use_own_database\n"
        "use_own_database()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**clean_environment(), "PYTHONPATH": str(ROOT / "scripts")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "before fiftyone is imported" in done.stderr


def test_setup_looks_for_a_mongod_whatever_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It used to be content with FIFTYONE_DATABASE_URI, which nothing here uses any more."""
    from importlib.machinery import SourceFileLoader
    from importlib.util import module_from_spec, spec_from_loader

    loader = SourceFileLoader("setup_script", str(ROOT / "scripts" / "setup"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    setup: Any = module_from_spec(spec)
    loader.exec_module(setup)
    looked: list[Path] = []
    monkeypatch.setattr(setup, "starts", lambda mongod: bool(looked.append(mongod)) or True)
    monkeypatch.setenv("FIFTYONE_DATABASE_URI", "mongodb://127.0.0.1:9")
    setup.ensure_mongod(Path(sys.executable))
    assert looked == [find_mongod()]
    assert shutil.which(looked[0]) is not None
