"""Images in a cloud bucket, of which a stand-in on this machine says that it is there."""

from __future__ import annotations

import re
import threading
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from coreset_cleaning.core.review.sheets import Place
from coreset_cleaning.desks.base import Example, Options, Subject
from coreset_cleaning.desks.labelstudio.connection import LabelStudioServer
from coreset_cleaning.desks.labelstudio.desk import LabelStudioDesk
from label_studio_server import LabelStudioProcess

from .conftest import CLASSES, review_tasks

ASKED_FOR = re.compile(r"/tasks/\d+/resolve/\?fileuri=([\w=-]+)")


@pytest.fixture
def bucket() -> Iterator[str]:
    """Return the address of a server that has every bucket."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("sheet", [0, 4])
def test_every_image_of_a_page_is_one_that_a_browser_can_open(
    process: LabelStudioProcess, bucket: str, sheet: int
) -> None:
    server = LabelStudioServer(process.url, process.admin_token)
    tasks = review_tasks(4, "s3://photos/cats/{}.jpg")
    if sheet:
        tasks = [replace(task, place=Place(1, task.rank + 1)) for task in tasks]
    subject = Subject(f"bucket-{sheet}", "photos", "label", CLASSES)
    sure = tuple(Example(f"e{i}", f"s3://photos/sure/{i}.jpg") for i in range(4))
    options = Options(images="url", sheet=sheet, examples={"cat": sure, "dog": sure})
    url = LabelStudioDesk(server).send(subject, options, 1, tasks).url
    project = int(url.split("/projects/")[1].split("/")[0])
    server.post(
        "api/storages/s3",
        {
            "project": project,
            "bucket": "photos",
            "s3_endpoint": bucket,
            "aws_access_key_id": "key",
            "aws_secret_access_key": "secret",  # pragma: allowlist secret
            "region_name": "us-east-1",
        },
    )
    found = server.tasks(project=project, include="id,data", resolve_uri="true")
    text = " ".join(str(task["data"]) for task in found)
    assert "s3:" not in text
    asked = [urlsafe_b64decode(code).decode() for code in ASKED_FOR.findall(text)]
    assert {*asked} == {*(task.image for task in tasks), sure[0].image}
