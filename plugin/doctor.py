"""Checks of the set-up: one finding per line, each with its fix."""

from __future__ import annotations

import os
from importlib import metadata

from .core.errors import CleaningError, DataError
from .desks.labelstudio.connection import LabelStudioServer
from .loop import CleaningLoop
from .usecases.check_setup import Finding, attempt, check_server, finding
from .version import __version__

_START_DATABASE = "Start the database, or set its address: FIFTYONE_DATABASE_URI."
_NAME = "Name another dataset or label field."
_ADDRESS = "Set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY."
_PACKAGES = ("fiftyone", "label-studio-sdk", "torch", "torchvision", "scikit-learn", "numpy")


def check_setup(
    dataset_name: str | None = None,
    label_field: str = "ground_truth",
    url: str | None = None,
    api_key: str | None = None,
    *,
    verify: bool | str = True,
    images: str = "upload",
    images_root: str | None = None,
    embeddings_field: str = "resnet18_embedding",
    submit_key: str | None = None,
) -> list[Finding]:
    """Check versions, database, dataset, weights and Label Studio; nothing is changed.

    Parameters
    ----------
    dataset_name : str, optional
        Dataset to look at. Default: none.
    label_field : str, default "ground_truth"
        Its field to be cleaned.
    url, api_key : str, optional
        Label Studio's address and key. Default: ``LABEL_STUDIO_URL``, ``LABEL_STUDIO_API_KEY``.
    verify : bool or str, default True
        How to trust the server's certificate: see `LabelStudioServer`.
    images : {"upload", "local", "url"}, default "upload"
        How images shall get to the reviewers; once there is a round, as it was pushed.
    images_root : str, optional
        With "local": see `CleaningLoop.push_round`.
    embeddings_field : str, default "resnet18_embedding"
        The vectors of the dataset's images.
    submit_key : str, optional
        The only thing that is changed, if asked for: the key with which the owner of the API key
        submits pages in Label Studio, such as "enter". Default: it stays as it is.

    Returns
    -------
    list of dict
        With the keys name, ok, detail and fix. One that is ok has a fix when it is a warning. What
        rests on something that failed is left out.
    """
    findings = [_versions(), attempt("FiftyOne database", _database, _START_DATABASE)]
    loop: CleaningLoop | None = None
    if dataset_name and findings[-1]["ok"]:
        try:
            loop = _loop(dataset_name, label_field, embeddings_field)
        except CleaningError as error:
            findings.append(finding("dataset", error.what, error.fix or _NAME, ok=False))
        else:
            about = loop.check_dataset()
            findings += about
            if not about[0]["ok"]:
                loop = None  # a project can't be looked at without its classes
    findings.append(_weights())
    findings += _label_studio(url, api_key, verify, loop, images, images_root, submit_key)
    return findings


def _versions() -> Finding:
    found, absent = [f"fiftyone-coreset-cleaning {__version__}"], []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            absent.append(package)
    detail = ", ".join(found) + (f"; missing: {', '.join(absent)}" if absent else "")
    fix = f"Install them: pip install {' '.join(absent)}." if absent else ""
    return finding("versions", detail, fix, ok=not absent)


def _database() -> str:
    import fiftyone as fo
    import fiftyone.core.odm as foo

    version = foo.get_db_conn().client.server_info()["version"]
    return f"MongoDB {version}, {len(fo.list_datasets())} datasets"


def _loop(name: str, label_field: str, embeddings_field: str) -> CleaningLoop:
    import fiftyone as fo

    if not fo.dataset_exists(name):
        raise DataError(
            f"there is no dataset {name!r} in this FiftyOne database.",
            "Choose one of fiftyone.list_datasets().",
        )
    return CleaningLoop(fo.load_dataset(name), label_field, embeddings_field)


def _weights() -> Finding:
    import torch

    folder = os.path.join(torch.hub.get_dir(), "checkpoints")
    files = os.listdir(folder) if os.path.isdir(folder) else []
    there = any(name.startswith("resnet18") for name in files)
    # Not a fault: they are downloaded when they are needed first.
    detail = f"in {folder}" if there else f"not in {folder} yet; the first use downloads them"
    return finding("ResNet18 weights", detail)


def _label_studio(
    url: str | None,
    api_key: str | None,
    verify: bool | str,
    loop: CleaningLoop | None,
    images: str,
    images_root: str | None,
    submit_key: str | None,
) -> list[Finding]:
    """Check the server and, where it can be used, the dataset's project on it."""
    try:
        server = LabelStudioServer(url, api_key, verify=verify)
    except CleaningError as error:
        return [finding("Label Studio", error.what, error.fix or _ADDRESS, ok=False)]
    findings = check_server(server, submit_key)
    if loop is not None and all(found["ok"] for found in findings[:2]):
        findings += loop.check_project(server, images, images_root)
    return findings
