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


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    """Start a demo that stays open; its report is in a folder."""
    common = ["--model", "efficientnet-lite0", "--keep", "--report", folder]
    return subprocess.Popen(
        [sys.executable, "-m", "demonstration", *common, *options],
        cwd=ROOT / "scripts",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def until_open(demo: subprocess.Popen[str]) -> str:
    """Return what it says until it stays open."""
    said = ""
    assert demo.stdout is not None
    while not said.endswith("Both run until you press Ctrl-C.\n"):
        line = demo.stdout.readline()
        assert line, said
        said += line
    return said


def test_two_demos_find_wrong_labels_side_by_side_and_stop_what_they_started(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out.json"
    options = ["--limit", "500", "--rounds", "2", "--wrong", "0.15", "--json", str(out)]
    demos = [
        start(tmp_path / "report", *options),
        start(tmp_path / "other", "--limit", "200", "--rounds", "1"),
    ]
    said: list[str] = []
    try:
        said += [until_open(demo) for demo in demos]
        addresses = re.findall(
            r"^(?:FiftyOne App|Label Studio): +(http://\S+)", "".join(said), re.MULTILINE
        )
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
            rest, _ = demo.communicate()
            said.append(rest)
    for address in addresses:
        assert not port_is_taken(urlsplit(address).port or 0)
    result = json.loads(out.read_text())
    assert [row["round"] for row in result["rounds"]] == [1, 2]
    reviewed = sum(row["reviewed"] for row in result["rounds"])
    found = sum(row["wrong_found"] for row in result["rounds"])
    assert found / reviewed > 2 * result["random_precision"] > 0
    page = (tmp_path / "report" / "report.html").read_text()
    assert f"{found} wrong labels found among {reviewed}" in page
    assert (tmp_path / "report" / "auroc.png").stat().st_size > 10_000
    account = json.loads((SEED / ACCOUNT).read_text())
    kept = out.read_text() + page
    assert account["token"] not in "".join(said) + kept
    assert account["password"] not in kept
    assert result["label_studio"].split("/")[2] in {urlsplit(a).netloc for a in addresses}


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
