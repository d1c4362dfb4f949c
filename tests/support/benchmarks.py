"""A benchmark on its tiniest size."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / "scripts" / "bench"


def run_tiny(name: str, folder: Path) -> None:
    """Run a benchmark as a user does, and make sure that it leaves its report and nothing else."""
    report = folder / "report.json"
    done = subprocess.run(
        [BENCH, name, "--tiny", "--json", report],
        # As a user has it: no database of these tests.
        env={k: v for k, v in os.environ.items() if not k.startswith("FIFTYONE_")},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(report.read_text())
    assert [path.name for path in folder.iterdir()] == [report.name]
