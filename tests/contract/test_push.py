"""Every task once, in order, with its image: on a real server, also one that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from coreset_cleaning.core.errors import DataError, ServerError
from coreset_cleaning.desks.labelstudio import connection
from coreset_cleaning.desks.labelstudio import push as push_module
from coreset_cleaning.desks.labelstudio.connection import KEY_VARIABLE, LabelStudioServer
from coreset_cleaning.desks.labelstudio.tabs import find_round_tab
from label_studio_server import LabelStudioProcess

from .conftest import FIELD, Cleaning, review_tasks
from .fault_proxy import FaultProxy

ROOT = Path(__file__).resolve().parent.parent.parent


def wanted(cleaning: Cleaning, n: int, round_: int = 1) -> list[str]:
    return [f"{cleaning.dataset_id}:{FIELD}:{round_}:s{i}" for i in range(n)]


def write_images(folder: Path, n: int, suffix: str = ".jpg") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        Image.new("RGB", (8, 8), (i % 256, 0, 0)).save(folder / f"{i}{suffix}", "JPEG")
    return str(folder / ("{}" + suffix))


def fetch(server: LabelStudioProcess, path: str) -> bytes:
    request = urllib.request.Request(
        server.url + path, headers={"Authorization": f"Token {server.admin_token}"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return bytes(answer.read())


def test_project_is_found_again_whatever_its_title(cleaning: Cleaning) -> None:
    project = cleaning.open()
    cleaning.server.patch(f"api/projects/{project.id}/", {"title": "Renamed by somebody"})
    assert cleaning.open().id == project.id
    cleaning.classes = (*cleaning.classes, "fish")
    assert cleaning.open().id == project.id
    config = cleaning.server.get(f"api/projects/{project.id}/")["label_config"]
    assert "fish" in config


def test_pushing_again_creates_nothing(cleaning: Cleaning) -> None:
    tasks = review_tasks(5)
    first, second = cleaning.push(tasks), cleaning.push(tasks)
    assert (first.created, first.existing) == (5, 0)
    assert (second.created, second.existing) == (0, 5)
    assert second.task_ids == first.task_ids
    assert second.url == first.url
    assert cleaning.keys() == wanted(cleaning, 5)


def test_each_round_has_a_tab_that_shows_only_its_tasks_in_order(cleaning: Cleaning) -> None:
    cleaning.push(review_tasks(3), round_=1)
    url = cleaning.push(list(reversed(review_tasks(4))), round_=2).url
    project = cleaning.open().id
    tab = find_round_tab(cleaning.server, project, 2)
    assert url.endswith(f"/data?tab={tab}")
    shown = cleaning.server.tasks(view=tab, include="id,data", resolve_uri="false")
    assert [t["data"]["push_key"] for t in shown] == wanted(cleaning, 4, round_=2)
    assert find_round_tab(cleaning.server, project, 1) != tab


def test_task_data_tells_no_control_apart(cleaning: Cleaning) -> None:
    cleaning.push(review_tasks(1))
    [task] = cleaning.server.tasks(
        project=cleaning.open().id, include="id,data", resolve_uri="false"
    )
    assert set(task["data"]) == {
        "image",
        "push_key",
        "round",
        "rank",
        "position",
        "label",
        "suggested",
        "suggested_probability",
        "note",
        "examples",
    }


def test_uploaded_images_are_served_whatever_the_files_are_called(
    cleaning: Cleaning, process: LabelStudioProcess, tmp_path: Path
) -> None:
    # 101 files in one request are too many for the server, and so is a name without an ending.
    pattern = write_images(tmp_path, 101, suffix="")
    cleaning.push(review_tasks(101, pattern), images="upload")
    tasks = cleaning.server.tasks(
        project=cleaning.open().id, include="id,data", resolve_uri="false"
    )
    for task in [t for t in tasks if t["data"]["rank"] in (0, 57, 100)]:
        assert task["data"]["image"].endswith(".jpg")
        original = Path(pattern.format(task["data"]["rank"])).read_bytes()
        assert fetch(process, task["data"]["image"]) == original


def test_unusable_images_are_named_before_anything_is_sent(
    cleaning: Cleaning, tmp_path: Path
) -> None:
    pattern = write_images(tmp_path, 3)
    Path(pattern.format(1)).unlink()
    Path(pattern.format(2)).write_text("not an image")
    with pytest.raises(DataError, match=r"2 of 3 images .* Nothing was sent") as caught:
        cleaning.push(review_tasks(3, pattern), images="upload")
    assert str(Path(pattern.format(1))) in str(caught.value)
    assert cleaning.keys() == []


def test_local_images_are_served_from_the_shared_folder(
    cleaning: Cleaning, process: LabelStudioProcess
) -> None:
    root = process.document_root
    assert root is not None
    pattern = write_images(root / cleaning.dataset_id / "a & b", 2)
    for _ in range(2):
        cleaning.push(review_tasks(2, pattern), images="local", root=root)
    project = cleaning.open().id
    assert len(cleaning.server.get("api/storages/localfiles/", project=project)) == 1
    tasks = list(cleaning.server.tasks(project=project, include="id,data", resolve_uri="false"))
    assert len(tasks) == 2
    for task in tasks:
        original = Path(pattern.format(task["data"]["rank"])).read_bytes()
        assert fetch(process, task["data"]["image"]) == original


def test_link_that_leaves_the_shared_folder_is_refused(
    cleaning: Cleaning, process: LabelStudioProcess, tmp_path: Path
) -> None:
    root = process.document_root
    assert root is not None
    secret = Path(write_images(tmp_path, 1).format(0))
    folder = root / cleaning.dataset_id
    folder.mkdir()
    (folder / "0.jpg").symlink_to(secret)
    with pytest.raises(DataError, match="must lie below"):
        cleaning.push(review_tasks(1, str(folder / "{}.jpg")), images="local", root=root)
    assert cleaning.keys() == []


def test_ten_thousand_tasks_in_one_round(cleaning: Cleaning) -> None:
    result = cleaning.push(review_tasks(10_000))
    assert result.created == len(set(result.task_ids.values())) == 10_000


def test_an_import_that_is_only_queued_is_waited_for(
    process: LabelStudioProcess, cleaning: Cleaning, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_module, "CHUNK", 4)
    plan = "queued"
    with FaultProxy(
        process.url, lambda _, path: plan if "/import" in path else "", delay=0.5
    ) as proxy:
        hosted = LabelStudioServer(proxy.url, process.admin_token)
        through = Cleaning(hosted, cleaning.dataset_id)
        result = through.push(review_tasks(10))
        assert proxy.counts == {"queued": 3}
        assert (result.created, len(set(result.task_ids.values()))) == (10, 10)
        # One that never comes is not sent again either.
        monkeypatch.setattr(push_module, "_QUEUE_SECONDS", 0.2)
        proxy.delay = 3600.0
        with pytest.raises(ServerError, match="accepted 4 tasks and not made them"):
            through.push(review_tasks(20))
        assert proxy.counts == {"queued": 4}
        proxy.cancel_queued()
    assert Counter(cleaning.keys()) == Counter(wanted(cleaning, 10))


@pytest.fixture(scope="module")
def own_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudioProcess]:
    """A server that tests may kill; whoever does starts it again."""
    with LabelStudioProcess(tmp_path_factory.mktemp("killed") / "data") as process:
        yield process


@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_server_killed_around_an_import(
    when: str, own_process: LabelStudioProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_module, "PAUSE", 0.01)
    monkeypatch.setattr(connection, "READ_PAUSES", (0.01,) * 4)
    server = LabelStudioServer(own_process.url, own_process.admin_token)
    cleaning = Cleaning(server, f"killed-{when}")
    cleaning.open()
    post, imports = server.post, 0

    def killing_post(path: str, body: object = None, **params: object) -> object:
        nonlocal imports
        imports += path.endswith("/import")
        if not path.endswith("/import") or imports != 2:
            return post(path, body, **params)
        if when == "before":
            own_process.kill()
        if when == "during":
            # While the request is on its way or at work.
            threading.Timer(0.05, own_process.kill).start()
        answer = post(path, body, **params)
        if when == "after":
            own_process.kill()
        return answer

    monkeypatch.setattr(server, "post", killing_post)
    try:
        with pytest.raises(ServerError):
            cleaning.push(review_tasks(500))
    finally:
        own_process.kill()
        own_process.start()
    cleaning.push(review_tasks(500))
    assert Counter(cleaning.keys()) == Counter(wanted(cleaning, 500))


CLIENT = """
import sys
from coreset_cleaning.desks.labelstudio.connection import LabelStudioServer
from tests.contract.conftest import Cleaning, review_tasks

def progress(fraction, message):
    print(message, flush=True)

server = LabelStudioServer(sys.argv[1])
Cleaning(server, sys.argv[2]).push(review_tasks(1000), progress=progress)
"""


def test_client_killed_during_a_push(cleaning: Cleaning, process: LabelStudioProcess) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}",
        KEY_VARIABLE: process.admin_token,
    }
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, process.url, cleaning.dataset_id],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert client.stdout is not None
    # The second chunk is there and a later one is on its way.
    for _ in range(2):
        assert "of 1000 tasks" in client.stdout.readline()
    client.send_signal(signal.SIGKILL)
    client.wait()
    client.stdout.close()
    result = cleaning.push(review_tasks(1000))
    assert 0 < result.existing < 1000
    assert Counter(cleaning.keys()) == Counter(wanted(cleaning, 1000))
    assert push_module.CHUNK <= 250
