"""The folders mean something: imports point inward, and lists that repeat each other agree."""

from __future__ import annotations

import ast
import re
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "plugin"
MODULES = sorted(PLUGIN.rglob("*.py"))

# What each part may import of the other parts of the plugin.
_INNER = {"core", "store", "embedding", "ray", "desks", "reports", "exports"}
_FRONT = {"core", "reports", "loop", "doctor", "desks", "exports"}
MAY_IMPORT = {
    "core": set(),
    "embedding": {"core"},
    "store": {"core"},
    "desks": {"core"},
    "reports": {"core"},
    "exports": {"core"},
    "ray": {"core", "embedding", "store"},
    "usecases": _INNER,
    "loop.py": {*_INNER, "usecases"},
    "doctor.py": {*_INNER, "usecases", "loop"},
    "app": _FRONT,
    "cli": {*_FRONT, ""},  # the package itself: what it registers is what FiftyOne is told of
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


def test_no_module_imports_itself_through_others() -> None:
    """A cycle of imports that run when a module is loaded; those inside functions may close one."""
    graph: dict[str, set[str]] = {}
    for path in MODULES:
        folders = path.relative_to(PLUGIN).parent.parts
        name = ".".join([*folders, path.stem]).removesuffix(".__init__")
        graph[name] = set()
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ImportFrom) and node.level:
                base = [*folders[: len(folders) - node.level + 1]]
                if node.module:
                    base += node.module.split(".")
                    graph[name].add(".".join(base))
                graph[name] |= {".".join([*base, alias.name]) for alias in node.names}
    sorter = TopologicalSorter({k: v & graph.keys() - {k} for k, v in graph.items()})
    sorter.prepare()


# All that the front ends know of the rest: the use cases, and the words they come in.
FRONT_ENDS = ("app", "cli")
FRONT_END_IMPORTS = {
    "",  # the package itself: its version and what it registers
    "core.errors",
    "core.judging.stopping",
    "core.review.grid",
    "core.review.scope",
    "core.review.sheets",
    "core.review.states",
    "core.review.verdicts",
    "desks.app",
    "desks.labelstudio.connection",
    "exports.names",
    "loop",
    "reports",
    "reports.charts",
    "doctor",
    "version",
}


@pytest.mark.parametrize("front", FRONT_ENDS)
def test_no_front_end_reaches_past_the_loop(front: str) -> None:
    found = set()
    for path in (PLUGIN / front).rglob("*.py"):
        folder = path.relative_to(PLUGIN).parent.parts
        for level, module in imports(path):
            if level:
                parts = folder[: len(folder) - level + 1] + tuple(filter(None, [module]))
                found.add(".".join(parts))
    beyond = {name for name in found if name.split(".")[0] != front} - FRONT_END_IMPORTS
    assert not beyond
    assert "loop" in found


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
    assert declared == folders | {"coreset_cleaning.skills"}  # SKILL.md files beside the plugin


# ---- what FiftyOne's makers look for first: plugins run with all rights of the App's server

# What a file may read of the environment besides the secrets that fiftyone.yml declares, and why.
READS = {
    "core/scoring/rows.py": {"OMP_NUM_THREADS"},  # the usual bound of threads
    "desks/labelstudio/proxies.py": {"n"},  # which proxy variable is set, to name it in an error
    # Only for `engine="ray"`, which no form offers: the App never imports this folder.
    "ray/cluster.py": {"RAY_ADDRESS"},
}
# Names of modules and functions that are not used at all, and where one is, why.
NEVER = {"subprocess", "pickle", "ctypes", "importlib.import_module", "socket", "requests"}
EXCEPT = {"ray/cluster.py": {"socket"}}  # whether anything listens at RAY_ADDRESS; sends nothing


def read_variables(tree: ast.AST, constants: dict[str, str]) -> set[str]:
    """List what is read of the environment: a variable's name, or the code that says it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
            key: ast.expr = node.slice
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "os.environ.get",
            "os.getenv",
        ):
            key = node.args[0]
        else:
            continue
        name = ast.unparse(key)
        found.add(key.value if isinstance(key, ast.Constant) else constants.get(name, name))
    return found


def test_only_declared_variables_are_read() -> None:
    secrets = set(yaml.safe_load((ROOT / "fiftyone.yml").read_text(encoding="utf-8"))["secrets"])
    trees = {
        path.relative_to(PLUGIN).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in MODULES
    }
    constants = {
        node.targets[0].id: node.value.value
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id.endswith("_VARIABLE")
        and isinstance(node.value, ast.Constant)
    }
    beyond = {name: read_variables(tree, constants) - secrets for name, tree in trees.items()}
    assert {name: found for name, found in beyond.items() if found} == READS


def test_nothing_runs_commands_code_or_sockets() -> None:
    for path in MODULES:
        name = path.relative_to(PLUGIN).as_posix()
        used = {module for _, module in imports(path)}
        assert not used & NEVER - EXCEPT.get(name, set()), name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("eval", "exec", "compile", "__import__", "os.system"), name


def test_the_app_never_imports_what_reaches_a_cluster() -> None:
    """Nor do the use cases when they are loaded: `engine="ray"` does, from Python."""
    for path in MODULES:
        if path.relative_to(PLUGIN).parts[0] == "ray":
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and node.level:
                assert (node.module or "").split(".")[0] != "ray", path
    forms = [path for path in MODULES if path.is_relative_to(PLUGIN / "app")]
    assert not [path for path in forms if re.search(r"\bengine\b", path.read_text())]
