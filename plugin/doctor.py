"""Checks of the set-up: one finding a line, each with its fix."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .core.errors import CleaningError, RoundError
from .core.review.ledger import recorded_answers
from .version import __version__

if TYPE_CHECKING:
    from .desks.labelstudio.connection import LabelStudioServer
    from .loop import CleaningLoop

Finding = dict[str, Any]

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
) -> list[Finding]:
    """Check versions, database, dataset, weights and Label Studio; nothing is changed anywhere.

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

    Returns
    -------
    list of dict
        With the keys name, ok, detail and fix; fix is empty when ok. What rests on something that
        failed is left out.
    """
    findings = [_versions(), _attempt("FiftyOne database", _database)]
    loop: Any = None
    if dataset_name and findings[-1]["ok"]:

        def look() -> str:
            nonlocal loop
            found = _loop(dataset_name, label_field)
            said = _dataset(found)
            loop = found  # only one without complaint is looked at further
            return said

        findings.append(_attempt("dataset", look))
    findings.append(_weights())
    findings += _label_studio(url, api_key, verify, loop, images, images_root)
    return findings


def _attempt(name: str, check: Callable[[], str]) -> Finding:
    try:
        return {"name": name, "ok": True, "detail": check(), "fix": ""}
    except CleaningError as error:
        # Our messages end with the fix.
        what, dot, fix = str(error).partition(". ")
        if not dot:
            what, _, fix = str(error).partition("; ")
        return {"name": name, "ok": False, "detail": what, "fix": fix or "see the message"}
    except Exception as error:
        # A doctor must not die of the illness: whatever else fails here is a finding, too.
        return {
            "name": name,
            "ok": False,
            "detail": (f"{type(error).__name__}: {error}".splitlines() or [""])[0],
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


def _loop(name: str, label_field: str) -> CleaningLoop:
    import fiftyone as fo

    from .core.errors import DataError
    from .loop import CleaningLoop

    if not fo.dataset_exists(name):
        raise DataError(f"there is no dataset {name!r}. Choose one of fiftyone.list_datasets().")
    return CleaningLoop(fo.load_dataset(name), label_field)


def _dataset(loop: CleaningLoop) -> str:
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


def _label_studio(
    url: str | None,
    api_key: str | None,
    verify: bool | str,
    loop: CleaningLoop | None,
    images: str,
    images_root: str | None,
) -> list[Finding]:
    from .desks.labelstudio import checkup
    from .desks.labelstudio.connection import LabelStudioServer

    server: Any = None

    def connect() -> str:
        nonlocal server
        server = LabelStudioServer(url, api_key, verify=verify)
        return f"{server.url}, version {checkup.version(server)}"

    findings = [_attempt("Label Studio", connect)]
    for name, check in (("key", checkup.key), ("permissions", checkup.permissions)):
        if not findings[-1]["ok"]:
            return findings
        findings.append(_attempt(name, lambda check=check: check(server)))  # type: ignore[misc]
    if loop is not None and findings[-2]["ok"]:
        findings += _review_project(server, loop, images, images_root)
    return findings


def _review_project(
    server: LabelStudioServer, loop: CleaningLoop, images: str, images_root: str | None
) -> list[Finding]:
    """Check the dataset's project, its open round, and whether an image can be seen."""
    from .desks.labelstudio.checkup import ProjectCheck, task_image
    from .review import given_classes, shows_small_images
    from .store.rounds import open_round

    rounds = loop.rounds.all()
    options = rounds[-1].config["options"] if rounds else {}
    check = ProjectCheck(
        server,
        loop.samples.dataset_id,
        loop.samples.label_field,
        given_classes(loop.samples, rounds),
        options.get("hide_suggestion", False),
        not shows_small_images(loop.samples),
    )
    findings = [_attempt("project", check.project)]
    open_ = open_round(rounds)
    tasks: dict[str, Any] = {}
    if open_ is not None:
        answered = {sample_id for _, sample_id, _ in recorded_answers(open_.events)}

        def look() -> str:
            there = check.found()
            if there is None:
                raise RoundError(
                    f"round {open_.number} is open, but its project is gone from Label Studio. "
                    "Push again: what has no answer is made anew."
                )
            tasks.update(check.tasks(there["id"], open_.number))
            return check.round(open_.number, open_.sample_ids - answered, there["id"])

        findings.append(_attempt("round", look))

    def image() -> str:
        if tasks:
            return task_image(server, next(iter(tasks.values())))
        root = options.get("images_root", images_root)
        return _image_before_push(server, loop, options.get("images", images), root)

    findings.append(_attempt("images", image))
    return findings


def _image_before_push(
    server: LabelStudioServer, loop: CleaningLoop, mode: str, root: str | None
) -> str:
    """Look at one image of the dataset as the next push would."""
    from .desks.labelstudio.checkup import local_serving, web_image
    from .desks.labelstudio.images import ImageSource

    sample = loop.samples.train_view().first()
    source = ImageSource(server, 0, mode, Path(root) if root else None)
    source.check({sample.id: sample.filepath}, connect=False)
    if mode == "upload":
        return f"{sample.filepath} can be uploaded"
    if mode == "local":
        return local_serving(server)
    if sample.filepath.startswith("http"):
        return web_image(server, sample.filepath)
    return f"{sample.filepath} needs a storage, to be connected in the project once it is there"
