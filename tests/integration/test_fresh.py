"""FiftyOne's object of a dataset is reloaded when something has changed, and only then."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import fiftyone as fo
import fiftyone.core.odm as foo
import pytest

from coreset_cleaning import CleaningLoop
from coreset_cleaning.desks.app import AppDesk
from coreset_cleaning.store.fresh import reread


@pytest.fixture
def dataset() -> Iterator[Any]:
    made = fo.Dataset()
    made.add_samples([fo.Sample(filepath=f"/{i}.png") for i in range(3)])
    made.save_view("mine", made.limit(1))
    made.register_run("mine", made.init_run(method="mine", note="old"))
    made.reload()
    reread(made)
    yield made
    made.delete()


@pytest.fixture
def reloads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    done: list[Any] = []
    whole = fo.Dataset.reload
    monkeypatch.setattr(fo.Dataset, "reload", lambda self: done.append(self) or whole(self))
    return done


def change(collection: str, query: dict[str, Any], **values: Any) -> None:
    """Change something as another process does: this one's objects don't know."""
    done = foo.get_db_conn()[collection].update_one(query, {"$set": values})
    assert done.modified_count == 1


def test_without_a_change_nothing_is_reloaded(dataset: Any, reloads: list[Any]) -> None:
    reread(dataset)
    reread(dataset)
    assert not reloads


def test_what_was_loaded_before_is_not_trusted(dataset: Any, reloads: list[Any]) -> None:
    dataset.reload()
    reread(dataset)
    assert len(reloads) == 2
    reread(dataset)
    assert len(reloads) == 2


def test_a_change_of_the_dataset_is_seen(dataset: Any) -> None:
    change("datasets", {"_id": dataset._doc.id}, description="new")
    reread(dataset)
    assert dataset.description == "new"


def test_a_field_that_another_process_declares_is_seen(dataset: Any) -> None:
    fields = foo.get_db_conn().datasets.find_one({"_id": dataset._doc.id})["sample_fields"]
    [path] = [field for field in fields if field["name"] == "filepath"]
    fields.append({**path, "name": "lens", "db_field": "lens"})
    change("datasets", {"_id": dataset._doc.id}, sample_fields=fields)
    assert not dataset.has_field("lens")
    reread(dataset)
    assert dataset.has_field("lens")


@pytest.mark.parametrize("looked_up", [True, False])
def test_runs_and_views_are_as_they_are_now(dataset: Any, looked_up: bool) -> None:
    if looked_up:
        assert dataset.get_run_info("mine").config.note == "old"
        assert dataset.has_saved_view("mine")
    change("runs", {"key": "mine", "_dataset_id": dataset._doc.id}, **{"config.note": "new"})
    change("views", {"name": "mine", "_dataset_id": dataset._doc.id}, name="yours")
    reread(dataset)
    assert dataset.get_run_info("mine").config.note == "new"
    assert dataset.list_saved_views() == ["yours"]


def test_samples_in_hand_are_reloaded_in_any_case(dataset: Any) -> None:
    sample = dataset.first()
    change(dataset._sample_collection_name, {"_id": sample._id}, tags=["new"])
    reread(dataset)
    assert sample.tags == ["new"]


@pytest.mark.parametrize("seen", [True, False])
def test_a_dataset_that_is_gone_says_so(seen: bool) -> None:
    gone = fo.Dataset()
    if seen:
        reread(gone)
    foo.get_db_conn().datasets.delete_one({"_id": gone._doc.id})
    with pytest.raises(ValueError, match=gone.name):
        reread(gone)


def test_looking_at_rounds_again_reloads_nothing(loop: CleaningLoop, reloads: list[Any]) -> None:
    loop.push_round(AppDesk(), n=8)
    loop.history()
    reloads.clear()
    assert loop.history()
    assert loop.plan().whole.unreviewed
    assert not reloads
