"""The folders mean something: imports point inward, and lists that repeat each other agree."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "plugin"
MODULES = sorted(PLUGIN.rglob("*.py"))

# What each part may import of the other parts of the plugin.
MAY_IMPORT = {
    "core": set(),
    "embedding": {"core"},
    "store": {"core"},
    "desks": {"core"},
    "ray": {"core", "embedding", "store"},
    "usecases": {"core", "embedding", "store", "desks", "ray", "reports"},
}
# threadpoolctl comes with scikit-learn.
CORE_LIBRARIES = {"numpy", "scipy", "sklearn", "threadpoolctl", "torch"} | set(
    sys.stdlib_module_names
)


def imports(path: Path) -> list[tuple[int, str]]:
    """List (level, module) of every import in a file; level 0 is absolute."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(0, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.level, node.module or ""))
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PLUGIN)))
def test_imports_point_inward(path: Path) -> None:
    folders = path.relative_to(PLUGIN).parent.parts
    part = path.relative_to(PLUGIN).parts[0]
    for level, module in imports(path):
        assert module.split(".")[0] not in ("coreset_cleaning", "plugin"), "import relatively"
        if part not in MAY_IMPORT:
            continue
        if level:
            target = [*folders[: len(folders) - level + 1], *module.split(".")][0]
            allowed = MAY_IMPORT[part] | {part, "version"}
            assert target in allowed, f"{part} must not import {target}"
        if part == "core" and level == 0:
            assert module.split(".")[0] in CORE_LIBRARIES, f"core must not import {module}"


def test_torch_stays_in_one_core_module() -> None:
    users = {
        path.name
        for path in (PLUGIN / "core").rglob("*.py")
        if any(level == 0 and m.split(".")[0] == "torch" for level, m in imports(path))
    }
    assert users <= {"linalg.py"}


def test_label_studio_sdk_stays_in_one_module() -> None:
    users = {
        path.name
        for path in MODULES
        if any(level == 0 and m.startswith("label_studio_sdk") for level, m in imports(path))
    }
    assert users == {"connection.py"}


def test_requirements_repeat_the_project_s_dependencies() -> None:
    block = re.search(
        r"^dependencies = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.M | re.S
    )
    declared = re.findall(r'"([^"]+)"', block.group(1))
    listed = (ROOT / "requirements.txt").read_text().split()
    assert listed == declared


def test_every_package_is_installed() -> None:
    block = re.search(r"^packages = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.M | re.S)
    declared = set(re.findall(r'"([^"]+)"', block.group(1)))
    folders = {
        ".".join(("coreset_cleaning", *init.parent.relative_to(PLUGIN).parts))
        for init in PLUGIN.rglob("__init__.py")
    }
    assert declared == folders
