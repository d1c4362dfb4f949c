"""Two processes push and pull one round at once while two people review it, and all of it fails."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import fiftyone as fo
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from coreset_cleaning import CleaningLoop, LabelStudioServer
from coreset_cleaning.core.review.ledger import recorded_answers
from coreset_cleaning.desks.labelstudio.answers import answer_result
from label_studio_server import LabelStudioProcess

from .fault_proxy import FAULTS, FaultProxy
from .test_people_at_work import next_task

IMAGES = 36
AT_LEAST = 200
SECONDS = 300.0

# What a user types again after each failure, as a process of its own.
WORKER = """
import sys
import fiftyone as fo
from coreset_cleaning import CleaningLoop, LabelStudioServer
from coreset_cleaning.core.errors import BusyError, ServerError
from coreset_cleaning.desks.labelstudio import connection, once, push
from coreset_cleaning.store import lock

lock.WAIT_SECONDS = 0.2
push.CHUNK = 3
push.PAUSE = once.PAUSE = 0.01
connection.READ_PAUSES = (0.01,) * 4
url, key, dataset, images = sys.argv[1:]
loop = CleaningLoop(fo.load_dataset(dataset), "ground_truth", "pixels", test_tag=None)
server = LabelStudioServer(url, key, timeout=0.8)

def again_and_again(act):
    while True:
        try:
            return act()
        except (BusyError, ServerError) as error:
            print("again:", type(error).__name__, file=sys.stderr, flush=True)

options = {"n": int(images), "controls": 0, "class_of_interest": "3", "images": "upload"}
pushed = again_and_again(lambda: loop.push_round(server, **options))
print("pushed", pushed.round, flush=True)
again_and_again(lambda: loop.wait_for_reviews(server, 0.1))
print("done", flush=True)
"""


@pytest.fixture
def dataset(tmp_path: Path) -> Iterator[Any]:
    """Digits, most of them threes."""
    data = load_digits()
    rows = [*np.flatnonzero(data.target == 3)[:80], *np.flatnonzero(data.target == 8)[:20]]
    samples = []
    for row in rows:
        path = tmp_path / f"{row}.png"
        Image.fromarray((255 - data.images[row] * (255 / 16)).astype(np.uint8)).save(path)
        label = fo.Classification(label=str(data.target[row]))
        vector = data.data[row].astype(np.float32)
        samples.append(fo.Sample(filepath=str(path), ground_truth=label, pixels=vector))
    dataset = fo.Dataset(f"crowd-{uuid4().hex}", persistent=True)  # other processes see it
    dataset.add_samples(samples)
    yield dataset
    dataset.delete()


def review(
    person: LabelStudioServer, project: int, over: threading.Event, may: Any, given: list[int]
) -> None:
    """Take what the server hands out and answer it, until the round is over."""
    while not over.wait(0.01):
        task_id = next_task(person, project) if may(len(set(given))) else None
        if task_id is not None:
            result = answer_result("keep", n_classes=2)
            body = {"result": result, "lead_time": 1.0}
            person.post(f"api/tasks/{task_id}/annotations/", body)
            given.append(task_id)


def test_two_reviewers_and_two_processes_lose_nothing_and_double_nothing(
    process: LabelStudioProcess,
    server: LabelStudioServer,
    reviewer: LabelStudioServer,
    dataset: Any,
    tmp_path: Path,
) -> None:
    loop = CleaningLoop(dataset, "ground_truth", "pixels", test_tag=None)
    loop.compute_importance()
    draw = random.Random(0)
    costs = {"slow": 4, "late": 4}

    def plan(method: str, path: str) -> str:
        # The fault that is rarest so far; those that take all of the client's patience less often.
        if draw.random() > (0.7 if "/import" in path else 0.5):
            return ""
        return min(FAULTS, key=lambda f: (proxy.counts[f] * costs.get(f, 1), draw.random()))

    with FaultProxy(process.url, plan, delay=1.0) as proxy:
        arguments = [proxy.url, process.admin_token, dataset.name, str(IMAGES)]
        logs = [tmp_path / f"worker-{i}.log" for i in range(2)]
        workers = [
            subprocess.Popen(
                [sys.executable, "-c", WORKER, *arguments],
                stdout=subprocess.PIPE,
                stderr=log.open("w"),
                text=True,
            )
            for log in logs
        ]
        pushed: list[str] = []
        both, over = threading.Event(), threading.Event()

        def listen(worker: subprocess.Popen[str]) -> None:
            assert worker.stdout is not None
            for line in worker.stdout:
                pushed.append(line.strip())
                if sum(said.startswith("pushed") for said in pushed) == 2:
                    both.set()

        listeners = [threading.Thread(target=listen, args=(w,), daemon=True) for w in workers]
        for listener in listeners:
            listener.start()

        def may(done: int) -> bool:
            # Not faster than things fail, nor through before both have pushed.
            share = 1.0 if both.is_set() else 0.5
            return done < share * min(sum(proxy.counts.values()) / (1.1 * AT_LEAST), 1.0) * IMAGES

        own = f"coreset-cleaning:{loop.samples.dataset_id}:ground_truth"
        project = wait_for_project(server, own, workers)
        given: list[int] = []
        people = [
            threading.Thread(target=review, args=(person, project, over, may, given), daemon=True)
            for person in (server, reviewer)
        ]
        for person in people:
            person.start()
        try:
            for worker, log in zip(workers, logs, strict=True):
                assert worker.wait(SECONDS) == 0, log.read_text()[-3000:]
        finally:
            over.set()
            for worker in workers:
                worker.kill()
        for thread in (*people, *listeners):
            thread.join(SECONDS)
        injected = dict(proxy.counts)
    tasks = list(server.tasks(project=project, include="id,data,total_annotations,annotations_ids"))
    keys = Counter(task["data"]["push_key"] for task in tasks)
    duplicates = sum(keys.values()) - len(keys)
    losses = IMAGES - len(keys)
    print(f"faults {sum(injected.values())} {json.dumps(injected)}, answers {len(given)}")
    print(f"{duplicates=}, {losses=}")
    assert set(injected) == set(FAULTS)
    assert sum(injected.values()) >= AT_LEAST
    assert (duplicates, losses) == (0, 0)
    # Asked twice in the same instant, Label Studio on SQLite hands out the same task twice.
    answers = [int(i) for task in tasks for i in task["annotations_ids"].split(",")]
    assert set(given) == {task["id"] for task in tasks}
    assert len(answers) == len(given)
    # What was submitted after the last pull of the two counts, too.
    assert loop.pull_reviews(server).problems == []
    [round_] = loop.rounds.all()
    on_server = {(1, key.rsplit(":", 1)[1]) for key in keys}
    recorded = recorded_answers(round_.events)
    assert {answer[:2] for answer in recorded} == on_server
    assert sorted(int(i) for _, _, i in recorded) == sorted(answers)
    assert len(round_.events) == len(answers)
    assert {event.reviewer for event in round_.events} == {
        server.get("api/current-user/whoami")["email"],
        reviewer.get("api/current-user/whoami")["email"],
    }
    dataset.reload()
    assert len(dataset.match({"cleaning_review.verdict": "kept"})) == IMAGES


def wait_for_project(
    server: LabelStudioServer, marker: str, workers: list[subprocess.Popen[str]]
) -> int:
    """Return the project that the workers make."""
    tick = threading.Event()
    while not tick.wait(0.2):
        for worker in workers:
            assert worker.poll() is None, "a worker ended before there was a project"
        for project in server.get("api/projects/", page_size=1000)["results"]:
            if marker in (project["description"] or ""):
                return int(project["id"])
    raise AssertionError("never reached")
