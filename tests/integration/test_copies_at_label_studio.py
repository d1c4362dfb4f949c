"""Copies of a dataset whose rounds are with reviewers: a real Label Studio, the same answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import fiftyone as fo
import pytest
from PIL import Image

from coreset_cleaning import LabelStudioServer
from coreset_cleaning.core.errors import CleaningError, ProjectMissingError
from coreset_cleaning.desks.labelstudio.answers import answer_result
from support.neighbours import batch, documents, labels_of, loop_of, tiny


@pytest.fixture
def pictures(tmp_path: Path) -> Any:
    dataset = tiny(20)
    paths = []
    for i in range(20):
        paths.append(str(tmp_path / f"{i}.png"))
        Image.new("RGB", (8, 8), (10 * i, 0, 0)).save(paths[-1])
    dataset.set_values("filepath", paths)
    return dataset


def answer(server: LabelStudioServer, project: int, verdicts: dict[str, tuple[str, Any]]) -> None:
    for task in server.tasks(project=project, include="id,data", resolve_uri="false"):
        sample_id = task["data"]["push_key"].rsplit(":", 1)[1]
        if sample_id in verdicts:
            server.post(
                f"api/tasks/{task['id']}/annotations/",
                {"result": answer_result(*verdicts[sample_id], n_classes=2)},
            )


def exported(dataset: Any, folder: Path) -> Any:
    dataset.export(str(folder), dataset_type=fo.types.FiftyOneDataset, export_media=False)
    return fo.Dataset.from_dir(str(folder), dataset_type=fo.types.FiftyOneDataset)


COPIES: dict[str, Callable[[Any, Path], Any]] = {
    "clone": lambda dataset, folder: dataset.clone(),
    "export and import": exported,
}


@pytest.mark.parametrize("copy_of", COPIES.values(), ids=COPIES)
def test_a_copy_pulls_what_reviewers_answer_about_rounds_that_were_open(
    copy_of: Callable[[Any, Path], Any], pictures: Any, server: LabelStudioServer, tmp_path: Path
) -> None:
    loop = loop_of(pictures)
    loop.compute_importance()
    project = loop.push_round(server, n=3, controls=0, class_of_interest="A").project
    asked = batch(loop)
    answer(server, project, {asked[0]: ("relabel", "B")})
    assert loop.pull_reviews(server).new_answers == 1
    copy = copy_of(pictures, tmp_path / "copy")
    there, before = loop_of(copy), labels_of(pictures)
    # Pushing again there finds the tasks that are with the reviewers, and makes none twice.
    assert (there.push_round(server).project, there.push_round(server).created) == (project, 0)
    answer(server, project, {asked[1]: ("delete", None), asked[2]: ("relabel", "B")})
    for each, dataset in ((there, copy), (loop, pictures)):
        report = each.pull_reviews(server)
        assert (report.new_answers, report.closed, report.problems) == (2, [1], [])
        assert labels_of(dataset) == {**before, asked[2]: "B"}
        assert each.pull_reviews(server).new_answers == 0
    # From here on each goes its own way.
    second = there.push_round(server, n=2, controls=0, class_of_interest="B")
    assert second.project != project
    answer(server, second.project, dict.fromkeys(batch(there), ("keep", None)))
    assert there.pull_reviews(server).closed == [2]
    assert len(loop.history()) == 1
    assert loop.push_round(server, n=2, controls=0, class_of_interest="B").project == project


def test_a_push_that_is_refused_has_changed_nothing_on_the_server_either(
    pictures: Any, server: LabelStudioServer
) -> None:
    loop = loop_of(pictures)
    loop.compute_importance()
    first = loop.push_round(server, n=2, controls=0, class_of_interest="A")
    loop.close_round()
    left = pictures.match({"a.label": "B"}).values("id")
    paths = dict(zip(left, pictures.select(left).values("filepath"), strict=True))
    pictures.set_values("filepath", dict.fromkeys(left, "/no/such.png"), key_field="id")
    before, projects = documents(pictures), everything(server, first.project)
    for call in (
        lambda: loop.push_round(server, n=2, controls=0, class_of_interest="B"),
        lambda: loop.push_round(
            server, n=2, controls=0, class_of_interest="none", reviewers_per_task=3
        ),
        lambda: loop.push_round(
            server, n=2, controls=0, class_of_interest="A", images="url", new_classes=["C"]
        ),
    ):
        with pytest.raises(CleaningError):
            call()
        assert documents(pictures) == before
        assert everything(server, first.project) == projects
    pictures.set_values("filepath", paths, key_field="id")
    assert loop.push_round(server, n=2, controls=0, class_of_interest="B").created == 2


def everything(server: LabelStudioServer, project: int) -> Any:
    found = server.get(f"api/projects/{project}/")
    count = server.get("api/projects/", page_size=1)["count"]
    tasks = [task["id"] for task in server.tasks(project=project, include="id,data")]
    return found["label_config"], found["maximum_annotations"], count, tasks


def test_a_project_that_is_gone_is_made_anew_from_a_copy_too(
    pictures: Any, server: LabelStudioServer
) -> None:
    loop = loop_of(pictures)
    loop.compute_importance()
    project = loop.push_round(server, n=3, controls=0, class_of_interest="A").project
    asked = batch(loop)
    answer(server, project, {asked[0]: ("relabel", "B")})
    loop.pull_reviews(server)
    there = loop_of(pictures.clone())
    server.delete(f"api/projects/{project}/")
    before = documents(there.samples.dataset)
    with pytest.raises(ProjectMissingError) as missing:
        there.pull_reviews(server)
    assert "push again" in missing.value.fix.lower()
    assert documents(there.samples.dataset) == before
    again = there.push_round(server)
    assert (again.created, again.existing) == (2, 1)
    answer(server, again.project, dict.fromkeys(asked[1:], ("keep", None)))
    assert there.pull_reviews(server).closed == [1]
    assert loop.pull_reviews(server).closed == [1]
