"""The use case "check the set-up": what is wrong with server, dataset and project, and the fix.

Nothing is changed anywhere. A check returns findings instead of raising: whatever ails a set-up,
the rest of it can still be looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..core.errors import AuthenticationError, CleaningError, RoundError
from ..core.review.class_names import look_alikes
from ..desks.labelstudio import checkup
from ..desks.labelstudio.connection import LabelStudioServer
from ..desks.labelstudio.images import ImageSource
from ..reports import Coverage
from ..store.selection import Selection, Split
from .push import shows_small_images
from .workspace import Workspace

# With the keys name, ok, detail and fix. There is a fix when something is wrong, and when something
# is all right but worth a thought.
Finding = dict[str, Any]

_PROBE_SECONDS = 10.0


def finding(name: str, detail: str, fix: str = "", *, ok: bool = True) -> Finding:
    """Return one finding; with a fix although it is ok, it is a warning."""
    return {"name": name, "ok": ok, "detail": detail, "fix": fix}


def attempt(name: str, check: Callable[[], str], fix: str = "See the detail.") -> Finding:
    """Return what `check` found, or why it failed.

    Parameters
    ----------
    name : str
        What is checked.
    check : callable
        Returns the detail, or raises.
    fix : str
        What to do when it fails in a way that nobody foresaw.
    """
    try:
        return finding(name, check())
    except CleaningError as error:
        return finding(name, error.what, error.fix or fix, ok=False)
    except Exception as error:
        # A doctor must not die of the illness: whatever else fails here is a finding, too.
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        return finding(name, text, fix, ok=False)


def check_server(server: LabelStudioServer, submit_key: str | None = None) -> list[Finding]:
    """Check that the server answers, accepts the key and allows what a push needs.

    Parameters
    ----------
    server : LabelStudioServer
    submit_key : str, optional
        Key that the owner of the server's key wants to submit pages with: it is set.

    Returns
    -------
    list of Finding
        What rests on something that failed is left out.
    """
    try:
        # Asked once and with a limit: a read is tried again, and a hanging server takes minutes.
        version = server.probe(_PROBE_SECONDS)
    except AuthenticationError as error:
        answers = finding("Label Studio", f"{server.url} answers")
        return [answers, finding("key", error.what, error.fix, ok=False)]
    except CleaningError as error:
        return [finding("Label Studio", error.what, error.fix, ok=False)]
    findings = [finding("Label Studio", f"{server.url}, version {version}")]
    for name, check in (("key", checkup.key), ("permissions", checkup.permissions)):
        if findings[-1]["ok"]:
            findings.append(attempt(name, lambda check=check: check(server)))  # type: ignore[misc]
    if findings[-1]["ok"]:
        findings.append(attempt("submit key", lambda: checkup.submit_key(server, submit_key)))
    return findings


def check_dataset(work: Workspace) -> list[Finding]:
    """Check size, classes, and what would be left out or lost."""
    findings = [attempt("dataset", lambda: _size(work))]
    if not findings[0]["ok"]:
        return findings
    dataset = work.samples.dataset
    if not dataset.persistent:
        findings.append(
            finding(
                "storage",
                f"dataset {dataset.name!r} is not persistent: FiftyOne deletes it, and all answers "
                "with it, when its session ends.",
                "Keep it, in Python: dataset.persistent = True.",
            )
        )
    findings.append(attempt("label field", lambda: _unlocked(work)))
    taken = work.labels.taken_names()
    if taken:
        findings.append(
            finding(
                "names",
                f"the dataset has {', '.join(taken)} of its own, where results would be written.",
                'Rename them, or give ours a prefix: CleaningLoop(dataset, prefix="qa_").',
                ok=False,
            )
        )
    findings.append(_classes(work))
    found = coverage(work)
    findings.append(finding("coverage", str(found), found.fix))
    return findings


def _size(work: Workspace) -> str:
    samples, test = work.samples, work.samples.test_view()
    held_out = f"{len(test)} held out" if test is not None else "no test split (out-of-fold then)"
    things = f"{len(samples.view)} samples"
    if work.labels.things != "samples":
        things = f"{work.labels.count(Selection(Split.VIEW))} {work.labels.things} on {things}"
    return f"{things}, {len(work.labels.classes())} classes, {held_out}"


def _unlocked(work: Workspace) -> str:
    work.labels.check_unlocked()
    return f"{work.labels.name!r} can be changed"


def _classes(work: Workspace) -> Finding:
    """Look for classes without a name, and for such that reviewers can't tell apart."""
    classes, field = work.labels.classes(), work.labels.name
    empty = [name for name in classes if not name.strip()]
    if empty:
        return finding(
            "classes",
            f"field {field!r} has a class without a name: {empty[0]!r}.",
            f"Find its samples with dataset.match(F('{field}.label') == {empty[0]!r}), and give "
            "them a class or no label at all.",
            ok=False,
        )
    same = look_alikes(classes)
    if same:
        shown = "; ".join(" and ".join(map(repr, group)) for group in same[:3])
        return finding(
            "classes",
            f"reviewers can't tell these classes of field {field!r} apart: {shown}.",
            f"Make them one: dataset.map_values('{field}.label', {{{same[0][0]!r}: "
            f"{same[0][-1]!r}}}).",
        )
    return finding("classes", f"{len(classes)} different names")


def coverage(work: Workspace) -> Coverage:
    """Count what is left out of scoring and review, outside the test split."""
    labels, dataset = work.labels, work.samples.dataset
    total = labels.count(Selection())
    counts = [total, labels.count(Selection(has=(labels.path,)))]
    embedded = dataset.has_field(labels.embeddings_field)
    counts.append(labels.count_embedded(Split.TRAIN) if embedded else counts[-1])
    score = labels.names.importance
    if not labels.is_scored():
        counts.append(counts[-1])
    elif embedded:
        counts.append(labels.count_embedded(Split.TRAIN, score))
    else:
        counts.append(labels.count(Selection(has=(labels.path, score))))
    without = [before - after for before, after in pairwise(counts)]
    return Coverage(total, *without)


def check_project(
    work: Workspace, server: LabelStudioServer, images: str, images_root: str | None
) -> list[Finding]:
    """Check the dataset's project, its open round, and whether an image can be seen."""
    rounds = work.store.all()
    options = rounds[-1].config["options"] if rounds else {}
    check = checkup.ProjectCheck(
        server,
        rounds[-1].home if rounds else work.samples.dataset_id,
        work.subject,
        work.given_classes(rounds),
        options.get("hide_suggestion", False),
        not shows_small_images(work),
        rounds[-1].sheet if rounds else 0,
        work.labels.of_crops,
    )
    findings = [attempt("project", check.project)]
    open_ = rounds.open
    tasks: dict[str, Any] = {}
    if open_ is not None:
        lacking = rounds.lost_unanswered(open_)

        def look() -> str:
            there = check.found()
            if there is None:
                raise RoundError(
                    f"round {open_.number} is open, but its project is gone from Label Studio.",
                    "Push again: tasks without an answer are created again.",
                )
            tasks.update(check.tasks(there["id"], open_.number))
            return check.round(open_.number, lacking, there["id"])

        findings.append(attempt("round", look))

    def image() -> str:
        if tasks:
            return checkup.task_image(server, next(iter(tasks.values())))
        root = options.get("images_root", images_root)
        return _image_before_push(work, server, options.get("images", images), root)

    findings.append(attempt("images", image))
    return findings


def _image_before_push(
    work: Workspace, server: LabelStudioServer, mode: str, root: str | None
) -> str:
    """Look at one image of the dataset as the next push would."""
    sample = work.samples.train_view().first()
    source = ImageSource(server, 0, mode, Path(root) if root else None)
    source.check({sample.id: sample.filepath}, connect=False)
    if mode == "upload":
        return f"{sample.filepath} can be uploaded"
    if mode == "local":
        return checkup.local_serving(server)
    if sample.filepath.startswith("http"):
        return checkup.web_image(server, sample.filepath)
    return f"{sample.filepath} needs a storage, to be connected in the project once it is there"
