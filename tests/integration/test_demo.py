"""The demo as a user starts it, with fewer images and rounds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from label_studio_server import ACCOUNT, SEED, port_is_taken

ROOT = Path(__file__).resolve().parents[2]


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
