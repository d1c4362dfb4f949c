"""Tiny datasets with things of a user's on them, and what tells whether one of those was touched.

Two clusters of 6-d vectors, no images: rounds are answered with `AppDesk`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import fiftyone as fo
import fiftyone.core.odm as foo
import numpy as np
import pytest

from coreset_cleaning import AppDesk, CleaningLoop
from coreset_cleaning.core.errors import CleaningError
from coreset_cleaning.store.names import Names

OURS = Names()
# FiftyOne's own bookkeeping: it changes when somebody only looks.
_BOOKKEEPING = {"last_modified_at", "last_loaded_at"}


def tiny(n: int = 40, fields: Iterable[str] = ("a",), typos: int = 0, **named: Any) -> fo.Dataset:
    """Make a dataset of two classes, one label in seven wrong; `typos` of them are of a third."""
    rng = np.random.default_rng(0)
    dataset = fo.Dataset(**named)
    samples = []
    for i in range(n):
        truth = i % 2
        given = 1 - truth if i % 7 == 3 else truth
        sample = fo.Sample(
            filepath=f"/pictures/{i:03d}.png",
            tags=["mine"],
            camera=f"camera {i % 3}",
            vec=(rng.normal(size=6) + 3 * truth).astype(np.float32),
        )
        for field in fields:
            names = "AB" if field == "a" else "xy"
            label = "typo" if i < typos else names[given]
            sample[field] = fo.Classification(label=label, source="camera 2")
        samples.append(sample)
    dataset.add_samples(samples)
    return dataset


def loop_of(dataset_or_view: Any, field: str = "a", **options: Any) -> CleaningLoop:
    return CleaningLoop(dataset_or_view, field, "vec", **{"test_tag": None, **options})


def push(loop: CleaningLoop, n: int = 4, cls: Any = "A", **options: Any) -> list[str]:
    """Push a round to the App; return the ids of its samples."""
    loop.push_round(
        AppDesk(), n=n, controls=options.pop("controls", 1), class_of_interest=cls, **options
    )
    return batch(loop)


def batch(loop: CleaningLoop) -> list[str]:
    """Return the ids of the samples that are in review."""
    open_ = loop.rounds.open_round()
    assert open_ is not None
    return [item.sample_id for item in open_.batch]


def labels_of(dataset: Any, field: str = "a") -> dict[str, str | None]:
    """Return sample id to class, of all slices."""
    stored = _collection(dataset._root_dataset).find({}, {field: 1})
    return {str(s["_id"]): (s.get(field) or {}).get("label") for s in stored}


def refusal(call: Any, *args: Any, **options: Any) -> CleaningError:
    """Return the error with which a call is refused."""
    with pytest.raises(CleaningError) as refused:
        call(*args, **options)
    assert refused.value.what
    assert refused.value.fix, f"no way out: {refused.value}"
    return refused.value


def documents(dataset: Any) -> dict[str, Any]:
    """Return everything that the database holds of a dataset, as it is stored."""
    db, dataset = foo.get_db_conn(), dataset._root_dataset
    stored = db.datasets.find_one({"_id": dataset._doc.id})
    assert stored is not None
    runs = [*stored.get("runs", {}).values(), *stored.get("evaluations", {}).values()]
    views = stored.get("saved_views", [])
    return {
        "dataset": _plain(stored),
        "samples": {str(s["_id"]): _plain(s) for s in _collection(dataset).find()},
        "views": {v["name"]: _plain(v) for v in db.views.find({"_id": {"$in": views}})},
        "runs": {r["key"]: _plain(r) for r in db.runs.find({"_id": {"$in": runs}})},
        "indexes": dataset._sample_collection.index_information(),
    }


def of_the_user(dataset: Any, names: Names, *label_fields: str) -> dict[str, Any]:
    """Return what is a user's of `documents`: without what is ours, and without the classes.

    What stands in `label_fields` is compared by `labels_of`; the rest of such a label is here.
    """
    found = documents(dataset)
    each = [Names(names.prefix, field) for field in ("", "a", "b")]
    stored, ours = found["dataset"], {name for n in each for name in n.fields()}
    new = names.prefix + "cleaning_after_"
    for key in [key for key in stored.get("evaluations", {}) if key.startswith(new)]:
        ours |= {key, f"{key}_new"}
    config = stored["app_config"]
    groups = config.get("sidebar_groups") or []
    theirs = ("mine", "label cleaning") if names.prefix else ("mine",)
    return {
        "fields": {f["name"]: f for f in stored["sample_fields"] if f["name"] not in ours},
        "info": {k: stored.get(k) for k in ("name", "info", "description", "tags", "persistent")},
        "classes": (stored.get("classes"), stored.get("default_classes")),
        "groups": {g["name"]: g for g in groups if g["name"] in theirs},
        "samples": {
            i: _without_marks(s, each, ours, label_fields) for i, s in found["samples"].items()
        },
        "views": {n: v for n, v in found["views"].items() if not _ours_by_name(n, names)},
        "runs": {k: r for k, r in found["runs"].items() if not _ours_by_name(k, names)},
        "indexes": [i for i in found["indexes"] if OURS.importance not in i],
    }


def _ours_by_name(name: str, names: Names) -> bool:
    return name.startswith(("cleaning", f"{names.prefix}cleaning", f"{names.prefix}coreset"))


def _without_marks(
    sample: dict[str, Any], each: list[Names], ours: set[str], label_fields: tuple[str, ...]
) -> dict[str, Any]:
    mine = {tag for names in each for tag in names.ours_among(sample["tags"])}
    rest = {name: value for name, value in sample.items() if name not in ours}
    rest["tags"] = [tag for tag in sample["tags"] if tag not in mine]
    for field in label_fields:
        if rest.get(field):
            rest[field] = {k: v for k, v in rest[field].items() if k != "label"}
    return rest


def _collection(dataset: fo.Dataset) -> Any:
    return foo.get_db_conn()[dataset._doc.sample_collection_name]


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in _BOOKKEEPING}
