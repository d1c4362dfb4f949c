"""The doctor, from a set-up that is right to every way it breaks, each with its fix."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import fiftyone as fo
import pytest

from coreset_cleaning import CleaningLoop, LabelStudioServer
from coreset_cleaning.cli import main
from coreset_cleaning.desks.labelstudio.tabs import find_round_tab
from coreset_cleaning.doctor import check_setup
from coreset_cleaning.usecases import check_data, push
from coreset_cleaning.usecases.push import shows_small_images


@pytest.fixture(autouse=True)
def environment(label_studio: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", label_studio.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", label_studio.admin_token)


def findings(loop: CleaningLoop, **options: Any) -> dict[str, dict[str, Any]]:
    found = check_setup(loop.samples.dataset.name, **options)
    for finding in found:
        assert finding["fix"] or finding["ok"], finding
        assert "\n" not in finding["detail"] + finding["fix"]
    return {finding["name"]: finding for finding in found}


def warnings(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: f"{f['detail']} {f['fix']}" for name, f in found.items() if f["ok"] and f["fix"]}


def failing(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: f"{f['detail']} {f['fix']}" for name, f in found.items() if not f["ok"]}


def test_from_a_fresh_dataset_to_an_open_round(
    loop: CleaningLoop,
    server: LabelStudioServer,
    label_studio: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = findings(loop)
    assert failing(found) == {}
    assert label_studio.url in found["Label Studio"]["detail"]
    assert found["key"]["detail"] == f"legacy token, of {label_studio.admin_email}"
    assert found["permissions"]["detail"] == "projects can be made"
    assert "not made yet" in found["project"]["detail"]
    assert "can be uploaded" in found["images"]["detail"]
    assert "round" not in found

    pushed = loop.push_round(server, n=3, controls=0, class_of_interest="8")
    found = findings(loop)
    assert failing(found) == {}
    assert "config as it should be" in found["project"]["detail"]
    assert "round 1 is open, 3 tasks" in found["round"]["detail"]
    assert "is served" in found["images"]["detail"]

    config = server.get(f"api/projects/{pushed.project}/")["label_config"]
    assert 'smoothing="false"' in config  # 64 pixels; photographs are smoothed
    assert shows_small_images(loop._work)
    with monkeypatch.context() as larger:
        larger.setattr(push, "_SMALL", 63)
        assert not shows_small_images(loop._work)
        assert "next push brings" in findings(loop)["project"]["detail"]

    tab = find_round_tab(server, pushed.project, 1)
    server.delete(f"api/dm/views/{tab}/")
    assert "tab is gone from Label Studio" in failing(findings(loop))["round"]
    loop.push_round(server)
    assert failing(findings(loop)) == {}

    server.delete(f"api/projects/{pushed.project}/")
    assert "its project is gone" in failing(findings(loop))["round"]
    loop.push_round(server)
    assert failing(findings(loop)) == {}


def test_images_that_reviewers_will_not_see(
    loop: CleaningLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(loop.samples.view.first().filepath).parent.parent
    found = findings(loop, images="local", images_root=str(root))
    assert "may serve local files" in found["images"]["detail"]
    with monkeypatch.context() as without:  # as a server answers that was started without them
        without.setattr(LabelStudioServer, "fetch", lambda self, path, **_: (403, b"", ""))
        found = failing(findings(loop, images="local", images_root=str(root)))
    assert "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true" in found["images"]
    found = failing(findings(loop, images="local", images_root=str(tmp_path)))
    assert "must lie below" in found["images"]
    assert "needs addresses" in failing(findings(loop, images="url"))["images"]
    first = loop.samples.train_view().first()
    first["filepath"] = str(tmp_path / "gone.png")
    first.save()
    assert "gone.png can't be read" in failing(findings(loop))["images"]


@pytest.mark.parametrize(
    ("options", "name", "words"),
    [
        ({"url": "http://127.0.0.1:9"}, "Label Studio", "listen"),
        ({"url": "127.0.0.1:8080"}, "Label Studio", "must be like http://"),
        # pragma: allowlist nextline secret
        ({"api_key": "cafebabe" * 5}, "key", "Account & Settings"),
        ({"label_field": "labels"}, "dataset", "Fields that can be cleaned: ground_truth"),
    ],
)
def test_what_rests_on_a_failure_is_left_out(
    loop: CleaningLoop, options: dict[str, str], name: str, words: str
) -> None:
    found = findings(loop, **options)
    [(failed, said)] = failing(found).items()
    assert failed == name
    assert words in said
    assert "cafebabe" not in json.dumps(found)
    assert "project" not in found


def test_what_would_be_lost_or_left_out_is_a_warning(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    found = warnings(findings(loop, embeddings_field="pixels"))
    assert set(found) == {"storage"}
    assert "dataset.persistent = True" in found["storage"]
    dataset.persistent = True
    ids = loop.samples.train_view().values("id")
    dataset.set_values("ground_truth.label", dict.fromkeys(ids[:1], None), key_field="id")
    dataset.set_values("pixels", dict.fromkeys(ids[1:3], None), key_field="id")
    dataset.set_values("coreset_importance", dict.fromkeys(ids[3:6], None), key_field="id")
    found = warnings(findings(loop, embeddings_field="pixels"))
    assert set(found) == {"coverage"}
    left_out = "1 have no label, 2 have no embedding, 3 have no importance"
    assert f"6 of 240 samples are left out: {left_out}." in found["coverage"]
    assert "Compute" in found["coverage"] or "then compute" in found["coverage"]


def test_classes_that_nobody_can_tell_apart_or_name(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    first, second = loop.samples.train_view().values("id")[:2]
    dataset.set_values("ground_truth.label", {first: "3 "}, key_field="id")
    assert "'3' and '3 '" in warnings(findings(loop))["classes"]
    dataset.set_values("ground_truth.label", {second: " "}, key_field="id")
    found = failing(findings(loop))
    assert "class without a name: ' '" in found["classes"]
    assert "'ground_truth.label') == ' '" in found["classes"]


def test_what_makes_the_numbers_lie(
    loop: CleaningLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = loop.samples.dataset
    dataset.persistent = True
    pixels = {"embeddings_field": "pixels"}
    assert warnings(findings(loop, **pixels)) == {}
    assert loop.leaks() == loop.contradictions() == []

    # Two test samples become twins of training samples, which have another label.
    train = loop.samples.train_view().limit(2)
    test = loop.samples.test_view().limit(2)
    for number, (there, here) in enumerate(zip(train, test, strict=True)):
        here["pixels"] = there["pixels"]
        if number:  # a copy of the file, too
            here["filepath"] = str(shutil.copy(there.filepath, tmp_path))
        here["ground_truth"].label = "8" if there["ground_truth"].label != "8" else "9"
        here.save()
    found = warnings(findings(loop, **pixels))
    assert set(found) == {"leaks", "duplicates"}
    assert "2 of 80 test samples have a near-duplicate" in found["leaks"]
    assert "4 labels of 2 images" in found["duplicates"]
    assert {row["test"] for row in loop.leaks()} == set(test.values("id"))
    assert {row["train"] for row in loop.leaks()} == set(train.values("id"))
    assert loop.leaks()[0]["cosine"] == pytest.approx(1, abs=1e-5)
    by_kind = {group["same"]: group for group in loop.contradictions()}
    assert set(by_kind) == {"file", "vector"}
    assert set(by_kind["file"]["ids"]) == {train.values("id")[1], test.values("id")[1]}
    assert len(set(by_kind["file"]["labels"])) == 2
    # Without vectors, copies of files are found all the same.
    elsewhere = CleaningLoop(dataset, "ground_truth", "nowhere")
    assert [group["same"] for group in elsewhere.contradictions()] == ["file"]
    assert "no embeddings yet" in findings(loop, embeddings_field="nowhere")["leaks"]["detail"]
    # As on a dataset that is larger than can be looked at.
    with monkeypatch.context() as larger:
        larger.setattr(check_data, "_WORK", 40 * 320 * 64)
        assert "of 40 test samples looked at" in findings(loop, **pixels)["leaks"]["detail"]
        larger.setattr(check_data, "_NUMBERS", 320 * 64 - 1)
        assert "in so large a dataset" in findings(loop, **pixels)["leaks"]["detail"]


def test_a_test_split_that_measures_less_than_it_seems(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    test = loop.samples.test_view()
    ids, labels = test.values(["id", "ground_truth.label"])
    nines = [i for i, label in zip(ids, labels, strict=True) if label == "9"]
    for sample_id in nines:
        sample = dataset[sample_id]
        sample.tags = ["train"]
        sample.save()
    assert "1 classes have no sample with the tag 'test'" in warnings(findings(loop))["test split"]
    first = test.first()
    first["ground_truth"] = None
    first.save()
    assert "1 of " in warnings(findings(loop))["test split"]
    test.set_field("ground_truth", None).save()
    found = findings(loop, embeddings_field="pixels")
    assert "have no label in 'ground_truth'" in warnings(found)["test split"]
    assert found["leaks"]["ok"]


def test_a_class_that_looks_like_a_typo(loop: CleaningLoop) -> None:
    dataset = loop.samples.dataset
    names = {"3": "three", "8": "eight", "9": "nine"}
    loop.samples.view.map_values("ground_truth.label", names).save()
    first = loop.samples.train_view().match(fo.ViewField("ground_truth.label") == "eight").first()
    dataset.set_values("ground_truth.label", {first.id: "eihgt"}, key_field="id")
    found = warnings(findings(loop))["class names"]
    assert "'eihgt' (1) and 'eight' (" in found
    assert "{'eihgt': 'eight'}" in found


def test_a_locked_label_field(loop: CleaningLoop) -> None:
    field = loop.samples.dataset.get_field("ground_truth")
    field.read_only = True
    field.save()
    assert "read-only" in failing(findings(loop))["label field"]


def test_on_the_command_line(
    loop: CleaningLoop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["doctor", loop.samples.dataset.name]) == 0
    lines = capsys.readouterr().out.splitlines()
    warning, fix = (line for line in lines if not line.startswith("ok    "))
    assert warning.startswith("warn  storage: ")
    assert fix.startswith("      fix: ")
    assert main(["doctor", "no-such-dataset"]) == 1
    assert "FAIL  dataset: there is no dataset 'no-such-dataset'" in capsys.readouterr().out
    monkeypatch.delenv("LABEL_STUDIO_API_KEY")
    assert main(["doctor", "--json"]) == 1
    last = json.loads(capsys.readouterr().out)[-1]
    assert (last["name"], last["ok"]) == ("Label Studio", False)
    assert "LABEL_STUDIO_API_KEY" in last["fix"]
