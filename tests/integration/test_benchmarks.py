"""Every benchmark starts without data of one's own; whether it is fast is not a test's business."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from support.benchmarks import run_tiny

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "scripts" / "benchmarks"
# Those that `scripts/bench` offers.
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


# `quality` has no tiny size: its digits and peers take minutes. `ray` is in test_ray.py: two
# clusters at a time get in each other's way.
@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("quality", "ray")])
def test_it_runs_tiny_and_writes_its_report(name: str, tmp_path: Path) -> None:
    run_tiny(name, tmp_path)


def test_an_unknown_name_lists_those_that_there_are() -> None:
    done = subprocess.run(
        [ROOT / "scripts" / "bench", "nothing"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert f"one of: {' '.join(NAMES)}" in done.stderr
