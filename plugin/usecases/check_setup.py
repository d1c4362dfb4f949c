"""The use case "check the set-up": what is wrong with server, dataset and project, and the fix.

Nothing is changed anywhere. A check returns findings instead of raising: whatever ails a set-up,
the rest of it can still be looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..core.errors import CleaningError, RoundError
from ..core.review.class_names import look_alikes
from ..core.review.ledger import recorded_answers
from ..desks.labelstudio import checkup
from ..desks.labelstudio.connection import LabelStudioServer
from ..desks.labelstudio.images import ImageSource
from ..reports import Coverage
from ..review import given_classes, shows_small_images
from ..store import names
from ..store.rounds import RoundStore, open_round
from ..store.samples import Samples

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


def check_server(server: LabelStudioServer) -> list[Finding]:
    """Check that the server answers, accepts the key and allows what a push needs.

    Returns
    -------
    list of Finding
        What rests on something that failed is left out.
    """
    findings = [attempt("Label Studio", lambda: f"{server.url}, version {_version(server)}")]
    for name, check in (("key", checkup.key), ("permissions", checkup.permissions)):
        if not findings[-1]["ok"]:
            break
        findings.append(attempt(name, lambda check=check: check(server)))  # type: ignore[misc]
    return findings


def _version(server: LabelStudioServer) -> str:
    # Asked once and with a limit: a read that is tried again waits minutes for a hanging server.
    probe = getattr(server, "probe", None)
    return str(probe(_PROBE_SECONDS)) if probe else checkup.version(server)


def check_dataset(samples: Samples) -> list[Finding]:
    """Check size, classes, and what would be left out or lost."""
    findings = [attempt("dataset", lambda: _size(samples))]
    if not findings[0]["ok"]:
        return findings
    dataset = samples.dataset
    if not dataset.persistent:
        findings.append(
            finding(
                "storage",
                f"dataset {dataset.name!r} is not persistent: FiftyOne deletes it, and all answers "
                "with it, when its session ends.",
                "Keep it, in Python: dataset.persistent = True.",
            )
        )
    findings.append(attempt("label field", lambda: _unlocked(samples)))
    findings.append(_classes(samples))
    found = coverage(samples)
    findings.append(finding("coverage", str(found), found.fix))
    return findings


def _size(samples: Samples) -> str:
    test = samples.test_view()
    held_out = f"{len(test)} held out" if test is not None else "no test split (out-of-fold then)"
    return f"{len(samples.view)} samples, {len(samples.classes())} classes, {held_out}"


def _unlocked(samples: Samples) -> str:
    samples.check_unlocked()
    return f"{samples.label_field!r} can be changed"


def _classes(samples: Samples) -> Finding:
    """Look for classes without a name, and for such that reviewers can't tell apart."""
    classes = samples.classes()
    field = samples.label_field
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


def coverage(samples: Samples) -> Coverage:
    """Count what is left out of scoring and review, outside the test split."""
    view = samples.train_view()
    total = view.count()
    labeled = view.exists(f"{samples.label_field}.label")
    counts = [total, labeled.count()]
    for field in (samples.embeddings_field, names.IMPORTANCE):
        there = samples.dataset.has_field(field)
        labeled = labeled.exists(field) if there else labeled
        counts.append(labeled.count() if there else counts[-1])
    without = [before - after for before, after in pairwise(counts)]
    return Coverage(total, *without)


def check_project(
    samples: Samples,
    store: RoundStore,
    server: LabelStudioServer,
    images: str,
    images_root: str | None,
) -> list[Finding]:
    """Check the dataset's project, its open round, and whether an image can be seen."""
    rounds = store.all()
    options = rounds[-1].config["options"] if rounds else {}
    check = checkup.ProjectCheck(
        server,
        samples.dataset_id,
        samples.label_field,
        given_classes(samples, rounds),
        options.get("hide_suggestion", False),
        not shows_small_images(samples),
    )
    findings = [attempt("project", check.project)]
    open_ = open_round(rounds)
    tasks: dict[str, Any] = {}
    if open_ is not None:
        answered = {sample_id for _, sample_id, _ in recorded_answers(open_.events)}

        def look() -> str:
            there = check.found()
            if there is None:
                raise RoundError(
                    f"round {open_.number} is open, but its project is gone from Label Studio.",
                    "Push again: tasks without an answer are created again.",
                )
            tasks.update(check.tasks(there["id"], open_.number))
            return check.round(open_.number, open_.sample_ids - answered, there["id"])

        findings.append(attempt("round", look))

    def image() -> str:
        if tasks:
            return checkup.task_image(server, next(iter(tasks.values())))
        root = options.get("images_root", images_root)
        return _image_before_push(samples, server, options.get("images", images), root)

    findings.append(attempt("images", image))
    return findings


def _image_before_push(
    samples: Samples, server: LabelStudioServer, mode: str, root: str | None
) -> str:
    """Look at one image of the dataset as the next push would."""
    sample = samples.train_view().first()
    source = ImageSource(server, 0, mode, Path(root) if root else None)
    source.check({sample.id: sample.filepath}, connect=False)
    if mode == "upload":
        return f"{sample.filepath} can be uploaded"
    if mode == "local":
        return checkup.local_serving(server)
    if sample.filepath.startswith("http"):
        return checkup.web_image(server, sample.filepath)
    return f"{sample.filepath} needs a storage, to be connected in the project once it is there"
