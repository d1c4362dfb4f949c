"""What scripts/setup and scripts/test do on machines other than this one."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

import chromium

ROOT = Path(__file__).resolve().parents[2]


# ---- scripts/test


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose python and setup only say what they were called with."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "python $@"\n')
    python.chmod(0o755)
    return tmp_path


def call_test(
    checkout: Path, *arguments: str, setup_ends_with: int = 0, **environment: str
) -> tuple[int, list[str], str]:
    """Return the exit code, the lines of what was called, and the errors."""
    setup = checkout / "scripts" / "setup"
    setup.write_text(f'#!/bin/sh\necho "setup $@"\nexit {setup_ends_with}\n')
    env = {k: v for k, v in os.environ.items() if k != "CI"}
    done = subprocess.run(
        [checkout / "scripts" / "test", *arguments],
        env={**env, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


SETUP = "setup --dev --label-studio --browser"
PYTEST = "python -m pytest --dist loadfile --no-loadscope-reorder"


@pytest.mark.parametrize(
    ("arguments", "called"),
    [
        ((), [SETUP, f"{PYTEST} -n 3"]),
        (("tests/unit", "-k", "a b"), [SETUP, f"{PYTEST} -n 3 tests/unit -k a b"]),
        (("-n", "4"), [SETUP, f"{PYTEST} -n 4"]),
        (("-n0", "-x"), [SETUP, f"{PYTEST} -n0 -x"]),
        (("--quick",), ["setup --dev", f"{PYTEST} -n 2 tests/unit"]),
        (("--quick", "-x"), ["setup --dev", f"{PYTEST} -n 2 tests/unit -x"]),
        (("--database-uri", "mongodb://a"), [SETUP, f"{PYTEST} -n 3 --database-uri mongodb://a"]),
    ],
)
def test_arguments_go_to_pytest(
    checkout: Path, arguments: tuple[str, ...], called: list[str]
) -> None:
    assert call_test(checkout, *arguments) == (0, called, "")


def test_without_a_browser_its_tests_are_left_out_aloud_and_ci_fails(checkout: Path) -> None:
    code, called, errors = call_test(checkout, setup_ends_with=3)
    assert (code, called) == (0, [SETUP, f"{PYTEST} -n 3 --ignore=tests/browser"])
    assert "ARE LEFT OUT" in errors
    assert call_test(checkout, setup_ends_with=3, CI="true")[:2] == (3, [SETUP])


def test_nothing_runs_when_setup_fails(checkout: Path) -> None:
    assert call_test(checkout, setup_ends_with=1)[:2] == (1, [SETUP])


# ---- scripts/setup --browser


@pytest.fixture
def setup(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script as a module, on a machine without a browser, where every step fails."""
    loader = SourceFileLoader("setup_script", str(ROOT / "scripts" / "setup"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    steps: list[list[str]] = []
    for name in ("DEBIAN_FRONTEND", "PLAYWRIGHT_BROWSERS_PATH"):
        monkeypatch.setenv(name, "")  # so that it is as before afterwards
    monkeypatch.setattr(module, "steps", steps, raising=False)
    monkeypatch.setattr(module, "find_chromium", lambda: None)
    monkeypatch.setattr(module, "try_step", lambda _, command: bool(steps.append(command)))
    monkeypatch.setattr(module.shutil, "which", lambda name: name if name == "dnf" else None)
    return module


def test_a_browser_that_is_there_is_enough(setup: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "find_chromium", lambda: "/usr/bin/chromium")
    assert setup.browser(Path("python"))
    assert setup.steps == []


def test_playwright_s_own_is_tried_first_then_the_system_s(
    setup: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    download = ["python", "-m", "playwright", "install", "chromium-headless-shell"]
    monkeypatch.setattr(setup.os, "geteuid", lambda: 1000)
    assert not setup.browser(Path("python"))
    assert setup.steps == [download]
    monkeypatch.setattr(setup.os, "geteuid", lambda: 0)
    setup.steps.clear()
    assert not setup.browser(Path("python"))
    assert setup.steps == [download, ["dnf", "install", "-y", "-q", "chromium"]]
    assert os.environ["PLAYWRIGHT_BROWSERS_PATH"] == str(chromium.DOWNLOADS)


def test_a_browser_that_does_not_start_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(chromium.VARIABLE, raising=False)
    monkeypatch.setattr(chromium, "MAC", ())
    monkeypatch.setattr(chromium, "DOWNLOADS", tmp_path / "browsers")
    monkeypatch.setenv("PATH", str(tmp_path))

    def program(path: Path, code: int) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\nexit {code}\n")
        path.chmod(0o755)
        return path

    program(tmp_path / "chromium-browser", 1)  # as the stub of a package that is not installed
    assert chromium.find_chromium() is None
    shell = tmp_path / "browsers/chromium_headless_shell-1/chrome-linux/headless_shell"
    program(shell, 127)  # a library is missing
    assert chromium.find_chromium() is None
    program(shell, 0)
    assert chromium.find_chromium() == str(shell)
    own = program(tmp_path / "google-chrome", 0)
    assert chromium.find_chromium() == str(own)
    monkeypatch.setenv(chromium.VARIABLE, "/my/own")
    assert chromium.find_chromium() == "/my/own"
