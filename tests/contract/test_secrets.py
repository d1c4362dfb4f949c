"""No key, token or cookie is anywhere it should not be, after success and after every failure."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fiftyone.core.odm as foo
import pytest

from coreset_cleaning import CleaningLoop, LabelStudioServer
from coreset_cleaning.cli import main
from coreset_cleaning.core.errors import CleaningError
from coreset_cleaning.desks.labelstudio import connection
from coreset_cleaning.desks.labelstudio import push as push_module
from coreset_cleaning.desks.labelstudio.answers import answer_result
from label_studio_server import LabelStudioProcess
from support.answers import project_of

from .fault_proxy import FAULTS, FaultProxy

WRONG_KEY = "0123456789abcdef" * 2 + "cafebabe"
# pragma: allowlist nextline secret
EXPIRED = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjEsInRva2VuX3R5cGUiOiJyZWZyZXNoIn0.c2lnbmF0dXJlLWlzLWxvbmc"


def database() -> str:
    """Return all that FiftyOne's database holds, as text."""
    connection = foo.get_db_conn()
    return "\n".join(
        str(document)
        for name in connection.list_collection_names()
        for document in connection[name].find()
    )


def kept_results() -> str:
    """Return the content of the files in which the database keeps the results of runs."""
    import gridfs

    files = gridfs.GridFS(foo.get_db_conn())
    return "\n".join(file.read().decode(errors="replace") for file in files.find())


@pytest.fixture
def dataset(digits: Any) -> Any:
    return digits.dataset


@pytest.fixture
def process(tmp_path: Path) -> Iterator[LabelStudioProcess]:
    with LabelStudioProcess(tmp_path / "data") as running:
        yield running


def test_nothing_keeps_or_shows_a_secret(
    dataset: Any,
    process: LabelStudioProcess,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "READ_PAUSES", (0.01,) * 4)
    monkeypatch.setattr(push_module, "PAUSE", 0.01)
    monkeypatch.setattr(push_module, "_SETTLE", 0.1)
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    loop = CleaningLoop(dataset, "ground_truth", "pixels", test_tag=None)
    loop.compute_importance()

    def attempt(call: Any) -> None:
        try:
            shown.append(repr(call()))
        except CleaningError as error:
            shown.extend(traceback.format_exception(error))
            shown.append(repr(error) + str(vars(error)))

    requests = iter(range(10_000))

    def some_fault(method: str, path: str) -> str:
        number = next(requests)
        return FAULTS[number // 3 % len(FAULTS)] if number % 3 == 2 else ""

    personal = process.personal_token()
    with FaultProxy(process.url, some_fault, delay=1.0) as proxy:
        for key in (process.admin_token, personal):
            server = LabelStudioServer(proxy.url, key, timeout=0.5)
            shown.append(repr(server) + server.key_kind)
            for _ in range(3):
                attempt(lambda server=server: loop.push_round(server, n=6, controls=1))
        direct = LabelStudioServer(process.url, process.admin_token)
        project = project_of(loop)
        for task in direct.tasks(project=project, include="id", resolve_uri="false"):
            result = answer_result("keep", n_classes=3)
            direct.post(f"api/tasks/{task['id']}/annotations/", {"result": result})
        for _ in range(3):
            attempt(lambda: loop.pull_reviews(server))
        # Refusals: a wrong key, one that has expired, a page that asks for a log-in.
        for key in (WRONG_KEY, EXPIRED):
            attempt(lambda key=key: LabelStudioServer(proxy.url, key).get("api/projects/"))
        attempt(lambda: direct.get("projects/"))
        process.kill()
        attempt(lambda: loop.pull_reviews(server))
        monkeypatch.setenv("LABEL_STUDIO_URL", proxy.url)
        monkeypatch.setenv("LABEL_STUDIO_API_KEY", personal)
        for command in ("doctor", "pull", "status"):
            main([command, dataset.name, "--json"])
        secrets = {*proxy.secrets, process.admin_token, personal, WRONG_KEY, EXPIRED}
        secrets |= {process.admin_password}
        assert sum(proxy.counts.values()) > 20
    loop.export_audit(tmp_path / "audit.jsonl")
    shown.append((tmp_path / "audit.jsonl").read_text())
    shown.append(json.dumps(loop.history()))
    # The access token that a personal token is exchanged for, and a session cookie, are known, too.
    assert len(secrets) >= 6
    assert any(secret.count(".") == 2 and secret not in (personal, EXPIRED) for secret in secrets)
    output = capsys.readouterr()
    places = {
        "errors and reports": "\n".join(shown),
        "log": caplog.text,
        "output": output.out + output.err,
        "database": database(),
        "runs": kept_results(),
    }
    assert all(len(text) > 500 for text in places.values())
    found = [(place, s[:6]) for place, text in places.items() for s in secrets if s in text]
    assert found == []
