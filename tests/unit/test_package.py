"""What is installed: one version, light imports, and distributions that work elsewhere."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

import pytest
import yaml

import coreset_cleaning
from coreset_cleaning import core

ROOT = Path(__file__).resolve().parents[2]
# None of these may be loaded before it is needed; together they take seconds.
HEAVY = (
    "fiftyone", "label_studio_sdk", "torch", "torchvision", "matplotlib", "sklearn", "scipy",
    "numpy", "httpx", "tqdm",
)  # fmt: skip


def loaded_by(code: str) -> set[str]:
    """Return the top-level modules that running `code` in a new process loads."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    return {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


# ---- imports


@pytest.mark.parametrize(
    "code",
    [
        "import coreset_cleaning",
        "import coreset_cleaning.core.errors",
        "import coreset_cleaning.cli\ncoreset_cleaning.cli.command_line_parser()",
        "from coreset_cleaning import LabelStudioServer\n"
        "LabelStudioServer('http://127.0.0.1:1', 'key')",
    ],
)
def test_nothing_heavy_is_loaded_before_it_is_needed(code: str) -> None:
    assert not loaded_by(code) & set(HEAVY)


def test_the_pure_functions_need_neither_database_nor_server() -> None:
    modules = loaded_by("from coreset_cleaning.core import score_labels")
    assert not modules & {"fiftyone", "label_studio_sdk", "httpx", "matplotlib"}


def test_a_loop_needs_no_network_before_it_embeds() -> None:
    # What draws pictures shares its decoding with what embeds; torch alone takes 650 MB.
    modules = loaded_by("from coreset_cleaning import CleaningLoop, AppDesk, LabelStudioServer")
    assert "fiftyone" in modules
    assert not modules & {"torch", "torchvision", "label_studio_sdk", "ray"}


def test_the_public_names_are_these() -> None:
    assert sorted(coreset_cleaning.__all__) == [
        "AppDesk", "CleaningLoop", "LabelStudioServer", "__version__", "register",
    ]  # fmt: skip
    assert sorted(core.__all__) == [
        "LabelScores", "evaluate_auroc", "sample_coreset", "score_labels",
    ]  # fmt: skip
    for module in (coreset_cleaning, core):
        for name in module.__all__:
            assert getattr(module, name) is not None
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            module.nothing  # noqa: B018 - reading it is the test


# ---- versions


def test_the_version_is_the_same_everywhere() -> None:
    manifest = yaml.safe_load((ROOT / "fiftyone.yml").read_text())
    assert manifest["version"] == coreset_cleaning.__version__
    newest = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0]
    assert newest == "Unreleased" or newest.startswith(coreset_cleaning.__version__)


def test_the_plugin_wants_the_fiftyone_that_the_package_wants() -> None:
    manifest = yaml.safe_load((ROOT / "fiftyone.yml").read_text())
    assert f"fiftyone{manifest['fiftyone']['version']}" in (ROOT / "requirements.txt").read_text()


def test_every_warning_that_is_ignored_has_a_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    entries = re.search(r"^filterwarnings = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)[1]
    first, *others = [line.strip() for line in entries.splitlines()]
    assert first.startswith('"error"')
    for above, line in zip([first, *others], others, strict=False):
        assert line.startswith("#") or "#" in line or above.startswith("#"), f"no reason: {line}"


# ---- distributions


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Build the sdist, and the wheel from it, without the network, and not in the checkout itself.

    Two workers may build at once, and setuptools writes beside the sources.
    """
    folder = tmp_path_factory.mktemp("dist")
    source = tmp_path_factory.mktemp("source") / "checkout"
    beside = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, source, ignore=beside)
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source],
        check=True, capture_output=True,
    )  # fmt: skip
    return sorted(folder.iterdir(), key=lambda path: path.suffix)


@pytest.mark.parametrize("kind", [".gz", ".whl"])
def test_it_installs_into_an_empty_environment_and_works(
    kind: str, distributions: list[Path], tmp_path: Path
) -> None:
    (archive,) = [path for path in distributions if path.suffix == kind]
    environment = tmp_path / "venv"
    venv.create(environment)
    python = environment / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps",
         "--no-index", "--no-build-isolation", archive],
        check=True,
        # What builds the sdist is found here, as are the dependencies below.
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": libraries()},
    )  # fmt: skip
    done = subprocess.run(
        [python, "-c", SMOKE],
        cwd=tmp_path, check=False, capture_output=True, text=True,
        env={"PYTHONPATH": libraries()},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    file, version, modules, found = done.stdout.split()
    assert Path(file).is_relative_to(environment)
    assert version == coreset_cleaning.__version__
    assert int(modules) == len(list((ROOT / "plugin").rglob("*.py")))
    assert int(found) >= 4
    command = subprocess.run(
        [environment / "bin" / "coreset-cleaning", "--help"],
        cwd=tmp_path, check=True, capture_output=True, text=True,
        env={"PYTHONPATH": libraries()},
    )  # fmt: skip
    assert "push" in command.stdout


# Counts the modules that are there, imports those that need no database, and finds wrong labels.
SMOKE = """
import importlib, pathlib, pkgutil, sys
import numpy as np
import coreset_cleaning, coreset_cleaning.cli
from coreset_cleaning import core

for module in pkgutil.walk_packages(core.__path__, "coreset_cleaning.core."):
    importlib.import_module(module.name)
assert "fiftyone" not in sys.modules
home = pathlib.Path(coreset_cleaning.__file__).parent
assert (home / "skills" / "clean-labels" / "SKILL.md").is_file()
modules = list(pathlib.Path(coreset_cleaning.__file__).parent.rglob("*.py"))
rng = np.random.default_rng(0)
true = np.arange(300) % 3
given = true.copy()
given[:5] = (true[:5] + 1) % 3
X = 4 * np.eye(3)[true] + rng.standard_normal((300, 3))
found = np.argsort(-core.score_labels(X, given).importance)[:5]
print(coreset_cleaning.__file__, coreset_cleaning.__version__, len(modules), (found < 5).sum())
"""


def test_the_sdist_brings_the_tests_and_all_that_they_need(distributions: list[Path]) -> None:
    (source,) = [path for path in distributions if path.suffix == ".gz"]
    with tarfile.open(source) as tar:
        brought = {name.partition("/")[2] for name in tar.getnames()}
    for folder in ("tests", "scripts", "plugin", "docs"):
        here = {
            str(path.relative_to(ROOT))
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert here <= brought, sorted(here - brought)


def libraries() -> str:
    """Return where the dependencies are, so that they need not be downloaded again."""
    import numpy

    return str(Path(numpy.__file__).resolve().parents[1])
