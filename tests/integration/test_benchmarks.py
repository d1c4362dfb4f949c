"""Every benchmark starts without data of one's own; whether it is fast is not a test's business."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "scripts" / "benchmarks"
# Those that `scripts/bench` offers.
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


# `quality` has no tiny size: its digits and peers take minutes.
@pytest.mark.parametrize("name", [name for name in NAMES if name != "quality"])
def test_it_runs_tiny_and_writes_its_report(name: str, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = subprocess.run(
        [ROOT / "scripts" / "bench", name, "--tiny", "--json", report],
        # As a user has it: no database of these tests.
        env={k: v for k, v in os.environ.items() if not k.startswith("FIFTYONE_")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(report.read_text())
    assert [path.name for path in tmp_path.iterdir()] == [report.name]


def test_an_unknown_name_lists_those_that_there_are() -> None:
    done = subprocess.run(
        [ROOT / "scripts" / "bench", "nothing"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert f"one of: {' '.join(NAMES)}" in done.stderr
