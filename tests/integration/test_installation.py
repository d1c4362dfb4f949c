"""The ways to install the plugin beside a linked checkout, and what each says when it fails."""

from __future__ import annotations

import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from coreset_cleaning.cli import main
from coreset_cleaning.cli.install import FOLDER, NAME, PACKAGE, check_version
from coreset_cleaning.core.errors import CleaningError

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = yaml.safe_load((ROOT / "fiftyone.yml").read_text())


def install(plugins: Path, *options: str) -> int:
    return main(["install-plugin", "--plugins-dir", str(plugins), *options])


def registered(plugins: Path, cwd: Path) -> dict[str, list[str]]:
    """Return what a fresh process registers of the plugins in a folder, and their errors."""
    code = (
        "import json, fiftyone.plugins.context as c\n"
        f"found = [p for p in c.build_plugin_contexts() if p.name == {NAME!r}]\n"
        "names = sorted(i.config.name for p in found for i in p.instances)\n"
        "print(json.dumps([len(found), names, [e for p in found for e in p.errors]]))\n"
    )
    env = {**os.environ, "FIFTYONE_PLUGINS_DIR": str(plugins)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=cwd, capture_output=True, text=True, check=True
    )
    count, names, errors = json.loads(done.stdout.splitlines()[-1])
    assert count == 1
    return {"names": names, "errors": errors}


def test_the_folder_for_pip_installs(tmp_path, capsys):
    plugins = tmp_path / "plugins"
    assert install(plugins) == 0
    assert "installed" in capsys.readouterr().out
    assert registered(plugins, tmp_path) == {
        "names": sorted(MANIFEST["operators"] + MANIFEST["panels"]),
        "errors": [],
    }
    written = yaml.safe_load((plugins / FOLDER / "fiftyone.yml").read_text())
    for key in ("name", "version", "secrets"):
        assert written[key] == MANIFEST[key]

    assert install(plugins, "--json") == 0
    assert json.loads(capsys.readouterr().out)["state"] == "unchanged"
    manifest = plugins / FOLDER / "fiftyone.yml"
    manifest.write_text(manifest.read_text().replace(written["version"], "0.0.1"))
    assert install(plugins, "--json") == 0
    assert json.loads(capsys.readouterr().out)["state"] == "updated"

    assert install(plugins, "--uninstall") == 0
    assert list(plugins.iterdir()) == []
    assert install(plugins, "--uninstall", "--json") == 0
    assert '"absent"' in capsys.readouterr().out


def test_a_second_copy_and_foreign_folders_are_refused(tmp_path, capsys):
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "linked").symlink_to(ROOT, target_is_directory=True)
    assert install(plugins) == 1
    assert "another copy in" in capsys.readouterr().err
    (plugins / "linked").unlink()

    (plugins / FOLDER).mkdir()
    (plugins / FOLDER / "notes.txt").write_text("mine")
    for options in ([], ["--uninstall"]):
        assert install(plugins, *options) == 1
        assert "got something else" in capsys.readouterr().err
    assert (plugins / FOLDER / "notes.txt").read_text() == "mine"

    (tmp_path / "file").write_text("")
    assert install(tmp_path / "file") == 1
    assert "must be writable" in capsys.readouterr().err


def test_the_versions_of_fiftyone_that_are_declared():
    declared = MANIFEST["fiftyone"]["version"]
    project = (ROOT / "pyproject.toml").read_text()
    assert f'"fiftyone{declared}"' in project
    assert f'name = "{PACKAGE}"' in project
    check_version(declared.removeprefix(">="))
    with pytest.raises(CleaningError, match=re.escape(f"must be {declared}, got 1.0.0")):
        check_version("1.0.0")


def test_download_of_an_archive(tmp_path):
    """As `fiftyone plugins download` gets it from a server: the files of the last commit."""
    served = tmp_path / "served"
    served.mkdir()
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in files:
        if (ROOT / name).is_file():
            target = tmp_path / "checkout" / "label-cleaning-main" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
    shutil.make_archive(str(served / "label-cleaning"), "zip", tmp_path / "checkout")
    handler = functools.partial(_QuietHandler, directory=str(served))
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/label-cleaning.zip"
        done = subprocess.run(
            [
                str(Path(sys.executable).parent / "fiftyone"),
                "plugins",
                "download",
                url,
            ],
            check=False,
            env={**os.environ, "FIFTYONE_PLUGINS_DIR": str(plugins)},
            capture_output=True,
            text=True,
        )
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert registered(plugins, tmp_path) == {
        "names": sorted(MANIFEST["operators"] + MANIFEST["panels"]),
        "errors": [],
    }
    assert alone(plugins, tmp_path) == {
        "errors": [],
        "check_setup": "torch is not installed where FiftyOne runs.",
        "fix": f"Run `fiftyone plugins requirements {NAME} --install` there and restart FiftyOne.",
    }


def alone(plugins: Path, cwd: Path) -> dict[str, Any]:
    """Return what an archive says where neither its package nor its dependencies are installed."""
    env = {**os.environ, "FIFTYONE_PLUGINS_DIR": str(plugins)}
    done = subprocess.run(
        [sys.executable, "-c", ALONE], env=env, cwd=cwd, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


# Whatever FiftyOne does not bring itself is taken away.
ALONE = f"""
import json, sys
import fiftyone.operators as foo, fiftyone.plugins.context as c
from fiftyone.operators.executor import ExecutionContext, Executor
for name in ("coreset_cleaning", "label_studio_sdk", "torch", "torchvision", "safetensors"):
    sys.modules[name] = None
found = [p for p in c.build_plugin_contexts() if p.name == {NAME!r}]
instances = {{i.config.name: i for p in found for i in p.instances}}
ctx = ExecutionContext(request_params={{}}, executor=Executor())
checked = instances["check_setup"].execute(ctx)
print(json.dumps({{
    "errors": [e for p in found for e in p.errors],
    "check_setup": checked["what"],
    "fix": checked["fix"],
}}))
"""


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass
