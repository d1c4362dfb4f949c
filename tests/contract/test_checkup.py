"""What the doctor finds on a server: rights, project, round, and whether an image can be seen."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from coreset_cleaning.core.errors import CleaningError
from coreset_cleaning.desks.labelstudio import checkup
from coreset_cleaning.desks.labelstudio.checkup import ProjectCheck
from coreset_cleaning.desks.labelstudio.connection import LabelStudioServer
from coreset_cleaning.desks.labelstudio.tabs import find_round_tab
from label_studio_server import LabelStudioProcess

from .conftest import FIELD, Cleaning, review_tasks
from .fault_proxy import FaultProxy


def check(cleaning: Cleaning, **more: bool) -> ProjectCheck:
    return ProjectCheck(cleaning.server, cleaning.dataset_id, FIELD, cleaning.classes, **more)


def first_task(cleaning: Cleaning) -> dict[str, Any]:
    return check(cleaning).tasks(cleaning.open().id, 1)["s0"]


@contextmanager
def web_server(folder: Path, allow: str) -> Iterator[str]:
    """Serve files as somebody else's server would; give its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert "authorization" not in self.headers  # the key is none of its business
            path = folder / self.path.lstrip("/")
            self.send_response(200 if path.exists() else 404)
            if allow:
                self.send_header("Access-Control-Allow-Origin", allow)
            self.end_headers()
            if path.exists():
                self.wfile.write(path.read_bytes())

        def log_message(self, *_: object) -> None:
            pass

    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
    finally:
        httpd.shutdown()
        httpd.server_close()


def test_version_key_and_rights_are_told_and_nothing_is_made(
    server: LabelStudioServer, process: LabelStudioProcess
) -> None:
    before = server.get("api/projects/")["count"]
    assert checkup.version(server)[0].isdigit()
    assert checkup.key(server) == f"legacy token, of {process.admin_email}"
    assert checkup.permissions(server) == "projects can be made"
    assert server.get("api/projects/")["count"] == before


def test_a_key_without_rights_is_told_who_can_help(process: LabelStudioProcess) -> None:
    def refuse(method: str, path: str) -> str:
        return "403" if method == "POST" else ""

    with FaultProxy(process.url, refuse) as proxy:
        reader = LabelStudioServer(proxy.url, process.admin_token)
        with pytest.raises(CleaningError, match=r"may not make projects .*Ask an administrator"):
            checkup.permissions(reader)


def test_the_project_and_its_config(cleaning: Cleaning) -> None:
    assert check(cleaning).project() == "not made yet: the first push makes it"
    project = cleaning.open()
    assert "config as it should be" in check(cleaning).project()
    assert "next push brings" in check(cleaning, hide_suggestion=True).project()
    cleaning.classes = (*cleaning.classes, "fish")
    assert "next push brings" in check(cleaning).project()
    own = '<View><Image name="image" value="$image"/><Choices name="c" toName="image">'
    own += '<Choice value="a"/><Choice value="b"/></Choices></View>'
    cleaning.server.patch(f"api/projects/{project.id}/", {"label_config": own})
    with pytest.raises(CleaningError, match=r"has no verdict, new_label, comment.*Push again"):
        check(cleaning).project()
    cleaning.open()
    assert "config as it should be" in check(cleaning).project()


def test_the_open_round_s_tab_and_tasks(cleaning: Cleaning) -> None:
    ids = cleaning.push(review_tasks(3)).task_ids
    project = cleaning.open().id
    assert "3 tasks to be answered" in check(cleaning).round(1, set(ids), project)
    cleaning.server.delete(f"api/tasks/{ids['s1']}/")
    assert "2 tasks" in check(cleaning).round(1, {"s0", "s2"}, project)
    with pytest.raises(CleaningError, match=r"1 of its tasks .* gone .*Push again"):
        check(cleaning).round(1, set(ids), project)
    tab = find_round_tab(cleaning.server, project, 1)
    cleaning.server.delete(f"api/dm/views/{tab}/")
    with pytest.raises(CleaningError, match=r"its tab is gone .*Push again"):
        check(cleaning).round(1, {"s0", "s2"}, project)


@pytest.mark.parametrize("images", ["upload", "local"])
def test_an_image_is_looked_at_through_the_server(
    cleaning: Cleaning, process: LabelStudioProcess, images: str
) -> None:
    root = process.document_root
    assert root is not None
    path = root / cleaning.dataset_id / "a & b" / "0.png"
    path.parent.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(path)
    cleaning.push(review_tasks(1, str(path)), images=images, root=root)
    size = path.stat().st_size
    assert f"is served ({size} bytes)" in checkup.task_image(cleaning.server, first_task(cleaning))
    if images == "upload":
        name = str(first_task(cleaning)["data"]["image"]).rsplit("/", 1)[1]
        [stored] = process.data_dir.rglob(name)
    else:
        stored = path
    stored.write_text("no picture any more")
    with pytest.raises(CleaningError, match="not an image that browsers show"):
        checkup.task_image(cleaning.server, first_task(cleaning))
    stored.unlink()
    with pytest.raises(CleaningError, match=r"is not served: the answer is (404|500).*Restore"):
        checkup.task_image(cleaning.server, first_task(cleaning))


@pytest.mark.parametrize(
    ("allow", "finding"),
    [("*", "can be shown"), ("", "sends no Access-Control-Allow-Origin")],
)
def test_an_image_at_its_own_address(
    cleaning: Cleaning, tmp_path: Path, allow: str, finding: str
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "0.png")
    with web_server(tmp_path, allow) as url:
        cleaning.push(review_tasks(1, url + "/{}.png"))
        try:
            said = checkup.task_image(cleaning.server, first_task(cleaning))
        except CleaningError as error:
            said = str(error)
        assert finding in said
        with pytest.raises(CleaningError, match="answer is 404"):
            checkup.web_image(cleaning.server, url + "/1.png")
    with pytest.raises(CleaningError, match=r"can't be fetched from here \(ConnectError\)"):
        checkup.web_image(cleaning.server, url + "/0.png")


def test_an_image_in_a_bucket_without_a_storage(cleaning: Cleaning) -> None:
    cleaning.push(review_tasks(1, "s3://nowhere/{}.jpg"))
    with pytest.raises(CleaningError, match=r"no storage of the project leads to it.*Connect one"):
        checkup.task_image(cleaning.server, first_task(cleaning))


def test_local_serving_is_on_here(server: LabelStudioServer) -> None:
    assert "may serve local files" in checkup.local_serving(server)


def test_the_key_that_submits_is_set_beside_others(
    process: LabelStudioProcess, reviewer: LabelStudioServer
) -> None:
    other = {"annotation:annotation:skip": {"key": "s", "active": True}}
    reviewer.patch("api/current-user/hotkeys/", {"custom_hotkeys": other})
    assert "--submit-key enter" in checkup.submit_key(reviewer)
    assert checkup.submit_key(reviewer, "Enter") == "enter submits a page, for this key's owner"
    assert checkup.submit_key(reviewer) == "enter submits a page, for this key's owner"
    kept = reviewer.get("api/current-user/hotkeys/")["custom_hotkeys"]
    assert other.items() <= kept.items()
    reviewer.patch("api/current-user/hotkeys/", {"custom_hotkeys": {}})
