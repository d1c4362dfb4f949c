"""Checks of the set-up: one finding a line, each with its fix."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import metadata
from typing import Any

from .core.errors import CleaningError
from .version import __version__

Finding = dict[str, Any]

_PACKAGES = ("fiftyone", "label-studio-sdk", "torch", "torchvision", "scikit-learn", "numpy")


def check_setup(
    dataset_name: str | None = None,
    label_field: str = "ground_truth",
    url: str | None = None,
    *,
    verify: bool | str = True,
) -> list[Finding]:
    """Check versions, database, dataset, weights and Label Studio.

    Parameters
    ----------
    dataset_name : str, optional
        Dataset to look at. Default: none.
    label_field : str, default "ground_truth"
        Its field to be cleaned.
    url : str, optional
        Label Studio's address. Default: ``LABEL_STUDIO_URL``.
    verify : bool or str, default True
        How to trust the server's certificate: see `LabelStudioServer`.

    Returns
    -------
    list of dict
        With the keys name, ok, detail and fix; fix is empty when ok.
    """
    findings = [_versions(), _attempt("FiftyOne database", _database)]
    if dataset_name:
        findings.append(_attempt("dataset", lambda: _dataset(dataset_name, label_field)))
    findings.append(_weights())
    findings.append(_attempt("Label Studio", lambda: _label_studio(url, verify)))
    return findings


def _attempt(name: str, check: Callable[[], str]) -> Finding:
    try:
        return {"name": name, "ok": True, "detail": check(), "fix": ""}
    except CleaningError as error:
        # Our messages end with the fix.
        what, _, fix = str(error).partition(". ")
        return {"name": name, "ok": False, "detail": what, "fix": fix or "see the message"}
    except Exception as error:
        # A doctor must not die of the illness: whatever else fails here is a finding, too.
        return {
            "name": name,
            "ok": False,
            "detail": f"{type(error).__name__}: {error}".splitlines()[0],
            "fix": "start it, or set its address (FIFTYONE_DATABASE_URI, LABEL_STUDIO_URL)",
        }


def _versions() -> Finding:
    found, absent = [f"fiftyone-coreset-cleaning {__version__}"], []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            absent.append(package)
    return {
        "name": "versions",
        "ok": not absent,
        "detail": ", ".join(found) + (f"; missing: {', '.join(absent)}" if absent else ""),
        "fix": f"pip install {' '.join(absent)}" if absent else "",
    }


def _database() -> str:
    import fiftyone as fo
    import fiftyone.core.odm as foo

    version = foo.get_db_conn().client.server_info()["version"]
    return f"MongoDB {version}, {len(fo.list_datasets())} datasets"


def _dataset(name: str, label_field: str) -> str:
    import fiftyone as fo

    from .core.errors import DataError
    from .loop import CleaningLoop

    if not fo.dataset_exists(name):
        raise DataError(f"there is no dataset {name!r}. Choose one of fiftyone.list_datasets().")
    loop = CleaningLoop(fo.load_dataset(name), label_field)
    test = loop.samples.test_view()
    held_out = f"{len(test)} held out" if test is not None else "no test split (out-of-fold then)"
    return f"{len(loop.samples.view)} samples, {len(loop.samples.classes())} classes, {held_out}"


def _weights() -> Finding:
    import torch

    folder = os.path.join(torch.hub.get_dir(), "checkpoints")
    files = os.listdir(folder) if os.path.isdir(folder) else []
    there = any(name.startswith("resnet18") for name in files)
    return {
        "name": "ResNet18 weights",
        # Not a fault: they are downloaded when they are needed first.
        "ok": True,
        "detail": f"in {folder}" if there else f"not in {folder} yet; the first use downloads them",
        "fix": "",
    }


def _label_studio(url: str | None, verify: bool | str) -> str:
    from .labelstudio.connection import LabelStudioServer

    server = LabelStudioServer(url, verify=verify)
    release = server.get("api/version").get("release", "of unknown version")
    user = server.get("api/current-user/whoami")
    projects = server.get("api/projects/", page_size=1)["count"]
    return f"{server.url}, Label Studio {release}, as {user['email']}, {projects} projects"
