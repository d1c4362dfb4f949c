"""No test ever sees the user's database, plugins or Label Studio."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

from ray_cluster import LOOPBACK_ONLY  # noqa: E402
from support import database  # noqa: E402

pytest_plugins = ["support.fixtures", "support.killing"]

database.hide_databases()
for name in ("LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY"):
    os.environ.pop(name, None)

# A stand-in for a cloud bucket listens on this machine, where Label Studio would not look for one.
os.environ["SSRF_PROTECTION_ENABLED"] = "false"

# Several tests run at a time, and threads of one would only wait for those of another: with one
# each, what computes takes half of the processor time. Read when numpy and torch are imported.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

# Ray reads these when it is imported, and any test may be the first of its process to do that.
os.environ.update(LOOPBACK_ONLY)

# Shells start what runs in the background with interrupts ignored, and its children inherit that;
# some tests interrupt theirs.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no fault of the code. Elsewhere every run tries other examples; in CI a change
# must not fail by luck.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        database.OPTION,
        metavar="URI",
        help="run on this MongoDB, in databases of their own (default: a mongod of their own)",
    )
