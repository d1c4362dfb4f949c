"""Whatever breaks between client and server: every task once, every answer once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from coreset_cleaning.core.errors import ServerError
from coreset_cleaning.core.review.sheets import Place
from coreset_cleaning.core.review.verdicts import Verdict
from coreset_cleaning.desks.base import Options, Subject
from coreset_cleaning.desks.labelstudio import connection
from coreset_cleaning.desks.labelstudio import push as push_module
from coreset_cleaning.desks.labelstudio.cleanup import delete_round_tab, delete_unanswered
from coreset_cleaning.desks.labelstudio.connection import LabelStudioServer
from coreset_cleaning.desks.labelstudio.desk import LabelStudioDesk
from coreset_cleaning.desks.labelstudio.project import find_project
from coreset_cleaning.desks.labelstudio.sheets import sheet_result, slots_of
from label_studio_server import LabelStudioProcess

from .conftest import FIELD, Cleaning, review_tasks
from .fault_proxy import FAULTS, FaultProxy

TASKS = 260
CHUNK = 3
AT_LEAST = 200


def again_and_again(act: Callable[[], object]) -> int:
    """Do as a user would: the same again after each failure. Return the number of calls."""
    for call in range(1, 100):
        try:
            act()
        except ServerError:
            continue
        return call
    raise AssertionError("it never came through")


def test_faults_lose_nothing_and_double_nothing(
    process: LabelStudioProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_module, "CHUNK", CHUNK)
    monkeypatch.setattr(push_module, "PAUSE", 0.01)
    monkeypatch.setattr(connection, "READ_PAUSES", (0.01,) * 4)
    draw = random.Random(0)
    injected: Counter[str] = Counter()

    def plan(method: str, path: str) -> str:
        # The fault that is rarest so far, on most of the requests that change something.
        chance = 0.85 if "/import" in path else 0.5
        if draw.random() > chance:
            return ""
        # Those that take the client's whole patience come up less often.
        costs = {"slow": 3, "late": 3}
        return min(FAULTS, key=lambda f: (proxy.counts[f] * costs.get(f, 1), draw.random()))

    with FaultProxy(process.url, plan, delay=1.5) as proxy:
        server = LabelStudioServer(proxy.url, process.admin_token, timeout=1.0)
        cleaning = Cleaning(server, "faulty")
        calls = again_and_again(lambda: cleaning.push(review_tasks(TASKS)))
        injected.update(proxy.counts)
    direct = Cleaning(LabelStudioServer(process.url, process.admin_token), "faulty")
    keys = Counter(direct.keys())
    wanted = {f"faulty:ground_truth:1:s{i}" for i in range(TASKS)}
    duplicates = sum(count - 1 for count in keys.values())
    losses = len(wanted - set(keys))
    print(
        f"faults injected: {sum(injected.values())} {dict(injected)}, calls {calls}, "
        f"duplicates {duplicates}, losses {losses}"
    )
    assert set(injected) == set(FAULTS)
    assert sum(injected.values()) >= AT_LEAST
    assert duplicates == 0
    assert losses == 0
    assert set(keys) == wanted


def test_faults_around_uploads_and_deletions(
    process: LabelStudioProcess,
    cleaning: Cleaning,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(push_module, "CHUNK", CHUNK)
    monkeypatch.setattr(push_module, "PAUSE", 0.01)
    monkeypatch.setattr(push_module, "_SETTLE", 0.1)
    monkeypatch.setattr(connection, "READ_PAUSES", (0.01,) * 4)
    for i in range(12):
        Image.new("RGB", (8, 8), (20 * i, 0, 0)).save(tmp_path / f"{i}.png")
    quick = [fault for fault in FAULTS if fault not in ("slow", "late")]
    requests = iter(range(10_000))

    def plan(method: str, path: str) -> str:
        number = next(requests)
        return quick[number // 2 % len(quick)] if number % 2 else ""

    with FaultProxy(process.url, plan) as proxy:
        faulty = LabelStudioServer(proxy.url, process.admin_token, timeout=30.0)
        through = Cleaning(faulty, cleaning.dataset_id)
        again_and_again(
            lambda: through.push(review_tasks(12, str(tmp_path / "{}.png")), images="upload")
        )
        project = cleaning.open().id
        tasks = list(cleaning.server.tasks(project=project, include="id,data", resolve_uri="false"))
        assert sorted(t["data"]["rank"] for t in tasks) == list(range(12))
        for task in tasks:
            status, content, _ = cleaning.server.fetch(task["data"]["image"].lstrip("/"))
            path = tmp_path / f"{task['data']['rank']}.png"
            assert (status, content) == (200, path.read_bytes())
        answered = cleaning.answer(tasks[0]["id"], "keep")
        own = {"dataset_id": cleaning.dataset_id, "label_field": FIELD, "round_": 1}
        again_and_again(lambda: delete_unanswered(faulty, project, **own))
        again_and_again(lambda: delete_round_tab(faulty, project, 1))
        print(f"faults around uploads and deletions: {sum(proxy.counts.values())}")
    assert cleaning.keys() == [tasks[0]["data"]["push_key"]]
    [review] = cleaning.pull({1: {f"s{i}" for i in range(12)}}).reviews
    assert review.answer_id == str(answered)


def test_faults_during_a_pull_change_no_answer(
    process: LabelStudioProcess, cleaning: Cleaning
) -> None:
    ids = cleaning.push(review_tasks(20)).task_ids
    for sample_id in ids:
        cleaning.answer(ids[sample_id], "keep")
    requests = iter(range(10_000))

    def plan(method: str, path: str) -> str:
        number = next(requests)
        return FAULTS[number // 2 % len(FAULTS)] if number % 2 else ""

    with FaultProxy(process.url, plan, delay=1.5) as proxy:
        faulty = LabelStudioServer(proxy.url, process.admin_token, timeout=1.0)
        through = Cleaning(faulty, cleaning.dataset_id)
        for _ in range(3):
            answers = through.pull({1: set(ids)})
            assert sorted(r.sample_id for r in answers.reviews) == sorted(ids)
            assert answers.missing == {1: []}
        assert sum(proxy.counts.values()) >= 10


def test_faults_with_sheets_lose_double_and_invent_nothing(
    process: LabelStudioProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_module, "CHUNK", 1)
    monkeypatch.setattr(push_module, "PAUSE", 0.01)
    monkeypatch.setattr(push_module, "_SETTLE", 0.1)
    monkeypatch.setattr(connection, "READ_PAUSES", (0.01,) * 4)
    size, on_a_sheet = 60, 4
    tasks = [
        replace(task, place=Place(i // on_a_sheet + 1, i % on_a_sheet + 1))
        for i, task in enumerate(review_tasks(size))
    ]
    subject = Subject("faulty-sheets", "contract", FIELD, ("cat", "dog"))
    options = Options(images="url", sheet=on_a_sheet)
    quick = [fault for fault in FAULTS if fault not in ("slow", "late")]
    requests = iter(range(10_000))

    def plan(method: str, path: str) -> str:
        number = next(requests)
        return quick[number // 2 % len(quick)] if number % 2 else ""

    ids = {task.sample_id for task in tasks}
    with FaultProxy(process.url, plan) as proxy:
        faulty = LabelStudioServer(proxy.url, process.admin_token, timeout=30.0)
        desk = LabelStudioDesk(faulty)
        again_and_again(lambda: desk.send(subject, options, 1, tasks))
        direct = LabelStudioServer(process.url, process.admin_token)
        project = find_project(direct, subject.home, FIELD, sheets=True)
        assert project is not None
        sheets = list(direct.tasks(project=project["id"], include="id,data", resolve_uri="false"))
        assert sorted(i for s in sheets for i in slots_of(s["data"]).values()) == sorted(ids)
        assert sorted(s["data"]["rank"] for s in sheets) == list(range(1, 16))
        # Half of them are answered, each with one mark.
        for sheet in sheets[::2]:
            body = {"result": sheet_result(["2"]), "lead_time": 4.0}
            direct.post(f"api/tasks/{sheet['id']}/annotations/", body)
        answered = {i for s in sheets[::2] for i in slots_of(s["data"]).values()}
        kept = {"server": proxy.url, "sheets_id": project["id"], "sheets_cursor": None}
        for _ in range(2):
            found = desk.fetch(subject, {1: ids}, set(), kept, {1: 1})
            assert sorted(r.sample_id for r in found.reviews) == sorted(answered)
            assert sum(r.verdict is Verdict.RELABEL for r in found.reviews) == len(sheets[::2])
            assert (found.missing, found.withdrawn, found.problems) == ({1: []}, [], [])
        print(f"faults around sheets: {sum(proxy.counts.values())}")
        assert sum(proxy.counts.values()) >= 20
