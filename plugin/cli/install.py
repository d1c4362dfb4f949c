"""Registers this package with FiftyOne: a small folder among its plugins.

FiftyOne finds plugins in its plugins folder only, pip installs elsewhere. The folder's files import
the package, list what it registers, and hold a copy of its skills for agents.
"""

from __future__ import annotations

import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

from ..core.errors import CleaningError, DataError
from ..version import __version__

PACKAGE = "fiftyone-coreset-cleaning"
NAME = "@coreset/label-cleaning"
FOLDER = "coreset-label-cleaning"
_SKILLS, _SKILL = "skills", "SKILL.md"
_DEPTH = 3  # <plugins>/fiftyone.yml down to <plugins>/@owner/name/fiftyone.yml
_ENTRY = '''"""Written by `coreset-cleaning install-plugin`."""

try:
    from coreset_cleaning import register
except ImportError as error:
    raise ImportError(
        "the plugin @coreset/label-cleaning needs its package where FiftyOne runs: "
        "pip install fiftyone-coreset-cleaning, or remove this folder"
    ) from error

__all__ = ["register"]
'''


def install(plugins_dir: str | Path | None = None) -> tuple[str, Path]:
    """Write the plugin's folder; do nothing when it is there and current.

    Parameters
    ----------
    plugins_dir : path, optional
        Default: FiftyOne's, ``fiftyone.config.plugins_dir``.

    Returns
    -------
    state : {"installed", "updated", "unchanged"}
    folder : Path

    Raises
    ------
    DataError
        When the folder is not ours, can't be written, or the plugin is installed already in
        another way.
    CleaningError
        When FiftyOne is too old.
    """
    check_version(metadata.version("fiftyone"))
    root = _plugins_dir(plugins_dir)
    folder = root / FOLDER
    for other in _copies(root):
        if other != folder:
            raise DataError(
                f"the plugin {NAME} must be in {root} only once, got another copy in {other}.",
                "Remove that folder or link first, or keep it and do without this one.",
            )
    skills = _skills()
    files = {"fiftyone.yml": _manifest(list(skills)), "__init__.py": _ENTRY}
    files |= {f"{_SKILLS}/{name}/{_SKILL}": text for name, text in skills.items()}
    before = {name: _read(folder / name) for name in files}
    if before == files:
        return "unchanged", folder
    if folder.exists() and not _is_ours(folder):
        raise DataError(
            f"{folder} must hold the plugin {NAME}, got something else.", "Move it away."
        )
    try:
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content, encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"{folder} must be writable, got {error.strerror}.",
            "Change its permissions, or choose another folder with --plugins-dir and "
            "FIFTYONE_PLUGINS_DIR.",
        ) from error
    return ("updated" if any(before.values()) else "installed"), folder


def uninstall(plugins_dir: str | Path | None = None) -> tuple[str, Path]:
    """Remove the folder that `install` wrote.

    Returns
    -------
    state : {"removed", "absent"}
    folder : Path

    Raises
    ------
    DataError
        When the folder was not written by `install`.
    """
    folder = _plugins_dir(plugins_dir) / FOLDER
    if not folder.exists():
        return "absent", folder
    names = {path.name for path in folder.iterdir()} - {"__pycache__", _SKILLS}
    skills = {path.name for path in (folder / _SKILLS).rglob("*") if path.is_file()}
    ours = names == {"fiftyone.yml", "__init__.py"} and skills <= {_SKILL}
    if folder.is_symlink() or not _is_ours(folder) or not ours:
        raise DataError(
            f"{folder} must be what `coreset-cleaning install-plugin` wrote, got something else.",
            "Remove it by hand.",
        )
    shutil.rmtree(folder)
    return "removed", folder


def check_version(version: str) -> None:
    """Make sure that this FiftyOne is one the package declares to work with.

    Raises
    ------
    CleaningError
        Names both versions.
    """
    from packaging.requirements import Requirement

    declared = [Requirement(line) for line in metadata.requires(PACKAGE) or []]
    wanted = next(r.specifier for r in declared if r.name == "fiftyone")
    if not wanted.contains(version, prereleases=True):
        raise CleaningError(
            f"FiftyOne must be {wanted}, got {version}.",
            f"Upgrade it: pip install 'fiftyone{wanted}'.",
        )


def _plugins_dir(given: str | Path | None) -> Path:
    if given is not None:
        return Path(given).expanduser().absolute()
    import fiftyone as fo

    return Path(fo.config.plugins_dir).absolute()


def _copies(root: Path) -> list[Path]:
    """Return the folders of a plugins folder that hold this plugin, links included."""
    patterns = ("*/" * depth + "fiftyone.yml" for depth in range(_DEPTH))
    manifests = [path for pattern in patterns for path in root.glob(pattern)]
    return [path.parent for path in manifests if _name(path) == NAME]


def _is_ours(folder: Path) -> bool:
    return not any(folder.iterdir()) or _name(folder / "fiftyone.yml") == NAME


def _name(manifest: Path) -> Any:
    import yaml

    try:
        content = yaml.safe_load(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None
    return content.get("name") if isinstance(content, dict) else None


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _skills() -> dict[str, str]:
    """Return the text of each skill, by its name: from the package, or the checkout around it."""
    package = Path(__file__).resolve().parents[1]
    folders = (package / _SKILLS, package.parent / _SKILLS)
    folder = next((folder for folder in folders if folder.is_dir()), folders[0])
    found = sorted(folder.glob(f"*/{_SKILL}"))
    return {path.parent.name: path.read_text(encoding="utf-8") for path in found}


def _manifest(skills: list[str]) -> str:
    """Return the manifest of the installed package; what is registered is the list."""
    import fiftyone.operators as foo
    import yaml

    from .. import register
    from ..desks.labelstudio.connection import (
        CA_VARIABLE,
        KEY_VARIABLE,
        ROOT_VARIABLE,
        URL_VARIABLE,
    )

    listed: dict[str, list[str]] = {"operators": [], "panels": []}

    class Listing:
        def register(self, cls: Any) -> None:
            kind = "panels" if issubclass(cls, foo.Panel) else "operators"
            listed[kind].append(cls().config.name)

    register(Listing())
    return str(
        yaml.safe_dump(
            {
                "name": NAME,
                "version": __version__,
                "description": metadata.metadata(PACKAGE)["Summary"],
                "license": "Apache-2.0",
                **listed,
                "secrets": [URL_VARIABLE, KEY_VARIABLE, CA_VARIABLE, ROOT_VARIABLE],
                "skills": skills,
            },
            sort_keys=False,
        )
    )
