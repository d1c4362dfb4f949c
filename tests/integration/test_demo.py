"""The demo as a user starts it, with fewer images and rounds."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from demonstration import data
from label_studio_server import ACCOUNT, SEED, port_is_taken

ROOT = Path(__file__).resolve().parents[2]
RUNS = ROOT / ".cache" / "demo"


def test_the_demo_finds_wrong_labels_and_stops_what_it_started(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "demonstration",
            "--limit",
            "500",
            "--rounds",
            "2",
            "--json",
            out,
            "--report",
            tmp_path / "report",
            "--model",
            "efficientnet-lite0",
            "--wrong",
            "0.15",
        ],
        cwd=ROOT / "scripts",
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(out.read_text())
    assert [row["round"] for row in result["rounds"]] == [1, 2]
    reviewed = sum(row["reviewed"] for row in result["rounds"])
    found = sum(row["wrong_found"] for row in result["rounds"])
    assert found / reviewed > 2 * result["random_precision"] > 0
    page = (tmp_path / "report" / "report.html").read_text()
    assert f"{found} wrong labels found among {reviewed}" in page
    assert (tmp_path / "report" / "auroc.png").stat().st_size > 10_000
    account = json.loads((SEED / ACCOUNT).read_text())
    shown = done.stdout + done.stderr + out.read_text() + page
    assert account["token"] not in shown
    assert account["password"] not in shown
    port = int(result["label_studio"].split(":")[2].split("/")[0])
    assert not port_is_taken(port)


def test_two_demos_stay_open_side_by_side_until_they_are_interrupted(tmp_path: Path) -> None:
    options = ["--limit", "200", "--rounds", "1", "--model", "efficientnet-lite0", "--keep"]
    demos: list[subprocess.Popen[str]] = []
    addresses: list[str] = []
    try:
        for name in ("one", "two"):
            demo = subprocess.Popen(
                [sys.executable, "-m", "demonstration", *options, "--report", tmp_path / name],
                cwd=ROOT / "scripts",
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            demos.append(demo)
            assert demo.stdout is not None
            said = ""
            while not said.endswith("Both run until you press Ctrl-C.\n"):
                line = demo.stdout.readline()
                assert line, said
                said += line
            addresses += re.findall(r"^(?:FiftyOne App|Label Studio): +(http://\S+)", said, re.M)
        assert len({urlsplit(address).port for address in addresses}) == 4
        for address in addresses:
            with urllib.request.urlopen(address, timeout=60) as answer:
                assert answer.status == 200
        runs = [folder for folder in RUNS.iterdir() if folder.name.startswith("run-")]
        assert len(runs) >= 2
        for demo in demos:
            demo.send_signal(signal.SIGINT)
        assert [demo.wait(timeout=120) for demo in demos] == [0, 0]
    finally:
        for demo in demos:
            demo.kill()
            demo.communicate()
    for address in addresses:
        assert not port_is_taken(urlsplit(address).port or 0)


def test_a_dataset_of_the_demo_s_name_is_not_replaced(tmp_path: Path) -> None:
    import fiftyone as fo

    mine = fo.Dataset(f"demo-{uuid4().hex}")
    mine.add_sample(fo.Sample(filepath="/mine.jpg"))
    image = data.DemoImage(tmp_path / "a.png", "3", "3", False)
    made = data.build_dataset(mine.name, [image])
    try:
        assert made.name.startswith(f"{mine.name}-")
        assert (mine.values("filepath"), len(made)) == (["/mine.jpg"], 1)
    finally:
        made.delete()
        mine.delete()


def test_data_without_true_labels_is_for_human_reviewers_only(tmp_path: Path) -> None:
    from PIL import Image

    for name in ("red", "blue"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (32, 32), name).save(tmp_path / "images" / name / f"{number}.png")
    done = subprocess.run(
        [sys.executable, "-m", "demonstration", "--data", tmp_path / "images"],
        cwd=ROOT / "scripts",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    assert "--reviewer human" in done.stderr
