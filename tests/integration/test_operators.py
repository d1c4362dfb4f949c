"""Operators and panel as the App and Python call them, against real mongod and Label Studio."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import fiftyone as fo
import fiftyone.operators as foo
import numpy as np
import pytest
import yaml
from fiftyone.operators.delegated import DelegatedOperationService
from fiftyone.operators.executor import ExecutionContext, Executor
from fiftyone.operators.registry import OperatorRegistry

from coreset_cleaning import AppDesk, CleaningLoop, LabelStudioServer
from support.answers import answer_truly, project_of
from support.digits import TRUE_DIGIT, add_embeddings

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = "@coreset/label-cleaning"
MANIFEST = yaml.safe_load((ROOT / "fiftyone.yml").read_text())
# A button, and a part of reviewing in the App: not operators to look for.
UNLISTED = {"open_label_cleaning", "name_marked"}


@pytest.fixture(scope="module")
def plugins_dir(tmp_path_factory):
    """A plugins folder that holds nothing but a symbolic link to this checkout."""
    folder = tmp_path_factory.mktemp("plugins")
    (folder / "label-cleaning").symlink_to(ROOT, target_is_directory=True)
    return folder


@pytest.fixture(autouse=True)
def installed(plugins_dir, monkeypatch):
    monkeypatch.setattr(fo.config, "plugins_dir", str(plugins_dir))


@pytest.fixture
def server(label_studio, monkeypatch):
    monkeypatch.setenv("LABEL_STUDIO_URL", label_studio.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", label_studio.admin_token)
    return label_studio


@pytest.fixture
def bare(confused_digits):
    """Digits as images with some wrong labels; no embeddings."""
    return confused_digits.dataset


@pytest.fixture
def dataset(confused_digits):
    """The same with embeddings."""
    add_embeddings(confused_digits)
    return confused_digits.dataset


@pytest.fixture
def scored(confused_scored):
    return confused_scored.dataset


def run(dataset, name, **params):
    """Call an operator from Python and return its result."""
    return foo.get_operator(f"{PLUGIN}/{name}")(dataset, **params).result


def context(dataset, name, **params):
    return ExecutionContext(
        request_params={"dataset_name": dataset.name, "params": params},
        executor=Executor(),
        operator_uri=f"{PLUGIN}/{name}",
        required_secrets=MANIFEST["secrets"],
    )


def form(dataset, name, **params):
    """Return the form's fields by name, as the App gets them."""
    ctx = context(dataset, name, **params)
    operator = OperatorRegistry().get_operator(f"{PLUGIN}/{name}")
    return operator.resolve_type(ctx, "inputs").to_json()["type"]["properties"]


def refusals(fields):
    return [field["error_message"] for field in fields.values() if field.get("invalid")]


def panel(dataset, method="on_load", state=None, **params):
    """Send the panel an event; return its new state, its layout and what it asked the App for.

    The layout is None when the event has drawn nothing.
    """
    ctx = context(
        dataset,
        "label_cleaning",
        panel_id="p",
        __method__=method,
        panel_state=state or {},
        **params,
    )
    OperatorRegistry().get_operator(f"{PLUGIN}/label_cleaning").execute(ctx)
    requests = {r.operator_uri.rsplit("/", 1)[-1]: r.params for r in ctx.executor._requests}
    facts = requests.get("patch_panel_state", {}).get("state", state or {}).get("facts")
    layout = requests.get("show_panel_output", {}).get("output")
    return facts, layout, requests


def labels_in(layout):
    """Return all button labels and texts of a panel's layout."""
    found = []

    def walk(node):
        if isinstance(node, dict):
            found.extend(v for k, v in node.items() if k in ("label", "default") and v)
            for value in node.values():
                walk(value)

    walk(layout)
    return [text for text in found if isinstance(text, str)]


def answer_all(server, dataset, n=None):
    """Answer tasks, or the first `n`, as somebody who knows the true digits."""
    true = dict(zip(*dataset.values(["id", TRUE_DIGIT]), strict=True))
    project = project_of(CleaningLoop(dataset))
    answer_truly(LabelStudioServer(server.url, server.admin_token), project, true, 4, n)


# ---- the plugin


def test_fiftyone_lists_plugin_and_operators_of_a_symlinked_checkout(plugins_dir):
    env = {**os.environ, "FIFTYONE_PLUGINS_DIR": str(plugins_dir)}
    fiftyone = shutil.which("fiftyone", path=str(Path(sys.executable).parent))

    def listed(what):
        done = subprocess.run(
            [fiftyone, what, "list"], env=env, capture_output=True, text=True, check=True
        )
        return done.stdout

    assert PLUGIN in listed("plugins")
    operators = listed("operators")
    for name in MANIFEST["operators"]:
        if name not in UNLISTED:
            assert f"{PLUGIN}/{name} " in operators


def test_every_name_in_the_manifest_is_registered():
    registry = OperatorRegistry()
    for name in MANIFEST["operators"] + MANIFEST["panels"]:
        assert registry.get_operator(f"{PLUGIN}/{name}").config.name == name
    ours = {o.config.name for o in registry.list_operators() if o.plugin_name == PLUGIN}
    assert ours == set(MANIFEST["operators"] + MANIFEST["panels"])


def test_the_entry_file_loads_neither_torch_nor_the_label_studio_sdk(plugins_dir):
    code = (
        "import sys, fiftyone.plugins.context as c\n"
        "before = set(sys.modules)\n"
        "plugins = [p for p in c.build_plugin_contexts() if 'coreset' in p.name]\n"
        "assert len(plugins) == 1 and not plugins[0].errors, plugins\n"
        "new = {m.split('.')[0] for m in set(sys.modules) - before}\n"
        "print(sorted(new & {'torch', 'torchvision', 'label_studio_sdk', 'matplotlib'}))\n"
        "print(sorted(m for m in sys.modules if m.endswith(('.loop', '.connection'))"
        " and 'coreset' in m))\n"
    )
    env = {**os.environ, "FIFTYONE_PLUGINS_DIR": str(plugins_dir)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-2:] == ["[]", "[]"]


# ---- forms


def test_forms_refuse_a_dataset_without_labels():
    dataset = fo.Dataset()
    dataset.add_samples([fo.Sample(filepath="a.png")])
    try:
        for name in ("compute_embeddings", "compute_importance", "push_round", "evaluate_round"):
            assert "no labels to clean" in refusals(form(dataset, name))[0]
    finally:
        dataset.delete()


def test_forms_say_what_has_to_come_first(bare, monkeypatch):
    assert "no embeddings yet" in refusals(form(bare, "compute_importance"))[0]
    for name in ("open_review_queue", "push_round", "evaluate_round", "sample_coreset"):
        assert "Importance has not been computed" in refusals(form(bare, name))[0]
    assert "LABEL_STUDIO_URL" in refusals(form(bare, "pull_reviews"))[0]
    assert "There is no round yet" in refusals(form(bare, "undo_round"))[0]


def test_forms_offer_only_what_is_there(scored):
    fields = form(scored, "compute_importance")
    assert fields["label_field"]["type"]["values"] == ["ground_truth"]
    assert fields["embeddings_field"]["type"]["values"] == ["resnet18_embedding"]
    assert set(fields["test_tag"]["type"]["values"]) == {"(none)", "test", "train"}
    assert fields["test_tag"]["default"] == "test"
    classes = form(scored, "open_review_queue")["class_of_interest"]["type"]["values"]
    assert classes == ["digit 1", "digit 3", "digit 5", "digit 8"]


def test_forms_refuse_what_can_not_work(scored, server, tmp_path):
    assert "more controls than samples" in refusals(form(scored, "push_round", n=3, controls=4))[0]
    assert ".jsonl or .csv" in refusals(form(scored, "export_audit", path="audit.txt"))[0]
    path = str(tmp_path / "a.csv")
    assert "without folders" in refusals(form(scored, "export_audit", path=path))[0]


def test_chosen_fields_become_the_defaults(dataset):
    dataset.clone_sample_field("resnet18_embedding", "other_vectors")
    run(dataset, "compute_importance", embeddings_field="other_vectors", test_tag="(none)")
    fields = form(dataset, "find_confused_classes")
    assert fields["embeddings_field"]["default"] == "other_vectors"
    assert fields["test_tag"]["default"] == "(none)"


# ---- the loop by operators


def test_a_whole_round(scored, server, exports):
    confused = run(scored, "find_confused_classes")
    cls = confused["report"]["class_of_interest"]
    assert f"**{cls}**" in confused["text"]
    queue = run(scored, "open_review_queue", class_of_interest=cls, limit=5)
    assert queue["report"]["samples"] == 5
    before = dict(zip(*scored.values(["id", "ground_truth.label"]), strict=True))

    pushed = run(scored, "push_round", n=12, controls=2)
    assert pushed["report"]["created"] == 12
    assert pushed["url"].startswith(server.url)
    assert "still open" in json.dumps(form(scored, "push_round"))
    again = run(scored, "push_round")
    assert (again["report"]["created"], again["report"]["existing"]) == (0, 12)

    answer_all(server, scored, 4)
    assert "8 tasks of round 1" in run(scored, "pull_reviews")["next"]
    answer_all(server, scored)
    assert run(scored, "pull_reviews")["next"] == "evaluate the round."
    assert run(scored, "pull_reviews")["report"]["new_answers"] == 0
    relabeled = scored.match_tags("cleaning:relabeled")
    assert len(relabeled) > 0
    (verdicts,) = (f for f in scored.app_config.color_scheme.fields if "verdict" in f["path"])
    assert {"kept", "relabeled", "deleted"} <= {c["value"] for c in verdicts["valueColors"]}
    assert "cleaning_review.verdict" in scored.app_config.active_fields.paths
    assert relabeled.values("ground_truth.label") == relabeled.values("true_digit")

    evaluated = run(scored, "evaluate_round", budget=100)
    assert "AUROC after round 1" in evaluated["text"]
    assert evaluated["report"]["reasons"]
    assert run(scored, "sample_coreset", m=20)["report"]["samples"] <= 20

    assert run(scored, "export_audit", path="audit.jsonl")["report"]["events"] == 12
    assert len((exports / "audit.jsonl").read_text().splitlines()) == 12

    changed = len(relabeled)
    undone = run(scored, "undo_round", round=1)
    assert undone["report"]["redo"] is False
    after = dict(zip(*scored.values(["id", "ground_truth.label"]), strict=True))
    assert after == before
    assert form(scored, "undo_round")["action"]["default"] == "redo"
    # A double click undoes nothing twice, and redoes nothing.
    again = run(scored, "undo_round", round=1, action="undo")
    assert (again["report"]["redo"], again["report"]["changed"]) == (False, 0)
    assert "nothing has changed" in again["text"]
    assert dict(zip(*scored.values(["id", "ground_truth.label"]), strict=True)) == before
    assert "Nothing will change" in json.dumps(form(scored, "undo_round", action="undo"))
    done = run(scored, "undo_round", round=1, action="redo")["report"]
    assert (done["redo"], done["changed"] > 0) == (True, True)
    assert len(scored.match_tags("cleaning:relabeled")) == changed
    assert run(scored, "undo_round", round=1, action="redo")["report"]["changed"] == 0
    assert len(scored.match_tags("cleaning:relabeled")) == changed
    assert form(scored, "undo_round")["action"]["default"] == "undo"
    with pytest.raises(Exception, match="Path: action"):
        run(scored, "undo_round", round=1, action="toggle")
    events = run(scored, "export_audit", path="more.jsonl")["report"]["events"]
    assert events == 14  # the answers, one undo, one redo


def test_a_round_of_the_whole_dataset(scored, server):
    queue = run(scored, "open_review_queue", scope="dataset", limit=5)
    assert "5 unreviewed samples of all classes" in queue["text"]
    assert scored.has_saved_view("cleaning queue")
    fields = form(scored, "push_round")
    assert (fields["scope"]["default"], "class_of_interest" in fields) == ("class", True)
    assert set(fields["scope"]["type"]["values"]) == {"class", "dataset"}
    assert "max_per_class" not in fields
    fields = form(scored, "push_round", scope="dataset")
    assert ("max_per_class" in fields, "class_of_interest" in fields) == (True, False)
    assert "class_of_interest" not in form(scored, "open_review_queue", scope="dataset")

    # The form keeps what was chosen before the scope was.
    chosen = {"class_of_interest": scored.first().ground_truth.label, "max_per_class": 5}
    pushed = run(scored, "push_round", scope="dataset", n=12, controls=2, **chosen)
    assert "**whole dataset**: 12 tasks sent" in pushed["text"]
    assert len(scored.match_tags("cleaning:queued").distinct("ground_truth.label")) > 1
    assert "(whole dataset) is still open" in json.dumps(form(scored, "push_round"))
    facts, layout, _ = panel(scored)
    assert (facts["rounds"][0]["scope"], facts["rounds"][0]["class"]) == (
        "dataset", "whole dataset",
    )  # fmt: skip
    assert "It shows the most suspicious labels of the whole dataset." in json.dumps(layout)
    answer_all(server, scored)
    run(scored, "pull_reviews")
    run(scored, "evaluate_round")
    facts, _, _ = panel(scored)
    assert facts["auroc"][-1]["what"] == "all classes"
    assert "the dataset in" in facts["yields"]
    assert form(scored, "push_round")["scope"]["default"] == "dataset"


def test_only_samples_of_the_round_are_undone(scored, server):
    run(scored, "push_round", n=4, controls=0)
    answer_all(server, scored)
    run(scored, "pull_reviews")
    mine = scored.match_tags("cleaning:round-001").values("id")
    other = scored.match_tags("cleaning:round-001", bool=False).first().id
    before = scored.values("cleaning_review.verdict")

    def undo(*selected, **params):
        ctx = context(scored, "undo_round", round=1, selected_only=True, **params)
        ctx.request_params["selected"] = list(selected)
        return OperatorRegistry().get_operator(f"{PLUGIN}/undo_round").execute(ctx)

    refused = undo(*mine, other)
    assert "1 of the 5 selected samples are not in round 1" in refused["what"]
    assert "cleaning round 001" in refused["fix"]
    scored.reload()
    assert scored.values("cleaning_review.verdict") == before
    assert undo(*mine)["report"]["changed"] == 4
    assert undo(*mine, action="redo")["report"]["changed"] == 4
    scored.reload()
    assert scored.values("cleaning_review.verdict") == before


@pytest.fixture
def exports(monkeypatch, tmp_path):
    monkeypatch.setattr(fo.config, "default_dataset_dir", str(tmp_path / "fiftyone"))
    return tmp_path / "fiftyone" / "label-cleaning"


@pytest.mark.parametrize(
    "path",
    ["../a.csv", "/tmp/a.csv", "sub/a.csv", "..", ".hidden.csv", "..\\a.csv", "a.csv/", "a.csv\0"],
)
def test_the_audit_is_written_to_its_folder_only(scored, exports, tmp_path, path):
    refused = output_of(scored, "export_audit", path=path)
    assert "without folders" in refused
    assert list(tmp_path.rglob("*.csv")) == []


def test_the_audit_replaces_a_file_only_when_told(scored, exports, tmp_path):
    run(scored, "export_audit", path="audit.csv")
    (exports / "audit.csv").write_text("mine")
    assert "exists already" in refusals(form(scored, "export_audit", path="audit.csv"))[0]
    assert "exists already" in output_of(scored, "export_audit", path="audit.csv")
    assert (exports / "audit.csv").read_text() == "mine"
    # A link is replaced, not followed.
    (tmp_path / "precious").write_text("mine")
    (exports / "link.csv").symlink_to(tmp_path / "precious")
    (exports / "nowhere.csv").symlink_to(tmp_path / "nowhere")
    assert "exists already" in output_of(scored, "export_audit", path="nowhere.csv")
    for name in ("audit.csv", "link.csv"):
        run(scored, "export_audit", path=name, replace=True)
        assert (exports / name).read_text().startswith("kind,round,")
    assert (tmp_path / "precious").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()
    assert sorted(p.name for p in exports.iterdir()) == ["audit.csv", "link.csv", "nowhere.csv"]


def test_a_round_is_closed_before_it_is_answered(scored, server, monkeypatch):
    assert "There is no open round" in refusals(form(scored, "close_round"))[0]
    run(scored, "push_round", n=5, controls=0)
    answer_all(server, scored, 2)
    assert "delete_tasks" in form(scored, "close_round")
    done = run(scored, "close_round", delete_tasks=True)
    report = done["report"]
    assert (report["answered"], report["total"], report["tasks_deleted"]) == (2, 5, 3)
    assert "closed with 2 of 5 answered" in done["text"]
    run(scored, "push_round", n=5, controls=0)
    monkeypatch.delenv("LABEL_STUDIO_API_KEY")
    assert "No Label Studio server is set" in json.dumps(form(scored, "close_round"))
    report = run(scored, "close_round")["report"]
    assert (report["round"], report["tab_deleted"]) == (2, False)


def test_the_setup_check_names_project_round_and_image(scored, server):
    run(scored, "push_round", n=3, controls=0)
    findings = {f["name"]: f for f in run(scored, "check_setup")["report"]["findings"]}
    assert all(finding["ok"] for finding in findings.values()), findings
    assert "3 tasks to be answered" in findings["round"]["detail"]
    assert "is served" in findings["images"]["detail"]


def test_embeddings_from_a_state_dict_for_a_view(bare, tmp_path):
    import torch
    from torchvision import models

    torch.manual_seed(0)
    torch.save(models.resnet18(weights=None).state_dict(), tmp_path / "w.pth")
    weights = str(tmp_path / "w.pth")
    done = run(bare.limit(6), "compute_embeddings", weights=weights, image_size=32)
    assert done["report"]["computed"] == 6
    assert len(bare.exists("resnet18_embedding")) == 6


def test_importance_runs_delegated(dataset):
    foo.get_operator(f"{PLUGIN}/compute_importance")(dataset, delegate=True)
    facts, layout, _ = panel(dataset)
    (queued,) = facts["running"]
    assert (queued["name"], queued["state"]) == ("Compute importance", "queued")
    assert any("**Compute importance**: queued" in text for text in labels_in(layout))
    DelegatedOperationService().execute_queued_operations(dataset_name=dataset.name)
    dataset.reload()
    assert len(dataset.exists("coreset_importance")) == len(dataset.match_tags("train"))
    facts, _, _ = panel(dataset)
    assert facts["running"] == facts["failed"] == []


def test_a_delegated_run_that_fails_is_a_sentence_in_the_panel(dataset):
    foo.get_operator(f"{PLUGIN}/compute_importance")(dataset, delegate=True)
    dataset.clear_sample_field("resnet18_embedding")
    DelegatedOperationService().execute_queued_operations(dataset_name=dataset.name)
    facts, layout, _ = panel(dataset)
    (failed,) = facts["failed"]
    assert failed["name"] == "Compute importance"
    assert failed["text"].startswith("no sample of dataset")
    assert "Traceback" not in json.dumps(layout)
    assert "Compute importance failed" in json.dumps(layout)

    foo.get_operator(f"{PLUGIN}/compute_importance")(dataset, delegate=True)
    assert panel(dataset)[0]["failed"] == []  # it is tried again
    dataset.delete_sample_field("resnet18_embedding")  # its form would now be refused
    DelegatedOperationService().execute_queued_operations(dataset_name=dataset.name)
    (failed,) = panel(dataset)[0]["failed"]
    assert failed["text"].startswith("This dataset has no embeddings yet")


def test_a_server_that_is_down_is_a_sentence(scored, monkeypatch):
    monkeypatch.setenv("LABEL_STUDIO_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "k" * 40)
    operator = foo.get_operator(f"{PLUGIN}/push_round")
    with pytest.raises(Exception, match=r"http://127\.0\.0\.1:9") as error:
        operator(scored, n=4, controls=0, class_of_interest="digit 1")
    assert type(error.value).__name__ == "CleaningError"
    assert "k" * 40 not in str(error.value)
    assert not [key for key in scored.list_runs() if key.startswith("cleaning_round")]


def output_of(dataset, name, **params):
    """Execute an operator as the App does and return what it shows then."""
    ctx = context(dataset, name, **params)
    operator = OperatorRegistry().get_operator(f"{PLUGIN}/{name}")
    ctx.request_params["results"] = operator.execute(ctx)
    return json.dumps(operator.resolve_type(ctx, "outputs").to_json())


def test_an_error_is_shown_as_words(bare):
    output = output_of(bare, "compute_importance")
    assert "It did not work" in output
    assert "coreset-cleaning embed" in output


def test_an_error_that_nobody_foresaw_is_shown_as_words_too(scored, monkeypatch):
    monkeypatch.setattr(fo.config, "default_dataset_dir", "/proc/none")
    output = output_of(scored, "export_audit", path="a.csv")
    assert "It did not work" in output
    assert "FileNotFoundError" in output
    assert "Traceback" not in output


def test_read_only_labels_are_refused_everywhere(scored, server):
    field = scored.get_field("ground_truth")
    field.read_only = True
    field.save()
    for name in ("push_round", "pull_reviews", "undo_round"):
        assert "must not be read-only" in refusals(form(scored, name))[0]
    with pytest.raises(Exception, match="must not be read-only"):
        run(scored, "push_round", n=4, controls=0, class_of_interest="digit 1")
    assert not [key for key in scored.list_runs() if key.startswith("cleaning_round")]
    run(scored, "find_confused_classes")
    _, layout, _ = panel(scored)
    assert "is read-only" in json.dumps(layout)
    assert "Push round 1" not in labels_in(layout)
    field.read_only = False
    field.save()
    assert "Push round 1" in labels_in(panel(scored)[1])


def test_only_one_process_changes_the_rounds(scored, monkeypatch):
    from coreset_cleaning import CleaningLoop
    from coreset_cleaning.core.errors import BusyError
    from coreset_cleaning.store import lock as store

    monkeypatch.setattr(store, "WAIT_SECONDS", 0.5)
    rounds, same, other = (
        CleaningLoop(scored, name).rounds
        for name in ("ground_truth", "ground_truth", "suggested_label")
    )
    with rounds.lock("push"):
        with pytest.raises(BusyError, match=r"\(push\)"), same.lock("pull"):
            pass
        with other.lock("push"):
            pass
    with same.lock("pull"):
        pass


# ---- what the grid shows


def test_fields_are_grouped_described_and_shown(scored):
    config = scored.app_config
    groups = {group.name: group.paths for group in config.sidebar_groups}
    assert groups["label cleaning"][:4] == [
        "suggested_label",
        "coreset_importance",
        "wrong_probability",
        "knn_disagreement",
    ]
    assert "ground_truth" in groups["labels"]
    assert "cleaning_review" not in groups
    assert sum(paths.count("suggested_label") for paths in groups.values()) == 1
    assert config.active_fields.paths == [
        "ground_truth",
        "suggested_label",
        "cleaning_review.verdict",
    ]
    assert "looked at first" in scored.get_field("coreset_importance").description


def test_the_user_s_own_settings_stay(dataset):
    config = dataset.app_config
    config.sidebar_groups = [
        fo.SidebarGroupDocument(name="mine", paths=["ground_truth", "knn_disagreement"])
    ]
    config.color_scheme = fo.ColorScheme(color_pool=["#123456"], opacity=0.3)
    config.active_fields = fo.ActiveFields(exclude=True, paths=["true_digit"])
    dataset.save()
    run(dataset, "compute_importance")
    dataset.reload()
    config = dataset.app_config
    assert [group.name for group in config.sidebar_groups] == ["mine", "label cleaning"]
    assert config.sidebar_groups[0].paths == ["ground_truth", "knn_disagreement"]
    assert "knn_disagreement" not in config.sidebar_groups[1].paths
    assert (config.color_scheme.color_pool, config.color_scheme.opacity) == (["#123456"], 0.3)
    assert config.color_scheme.color_by is None
    assert config.active_fields.paths == ["true_digit"]

    # What the user takes away does not come back.
    config.sidebar_groups = config.sidebar_groups[:1]
    dataset.save()
    run(dataset, "compute_importance")
    dataset.reload()
    assert [group.name for group in dataset.app_config.sidebar_groups] == ["mine"]


# ---- the panel


def test_the_panel_leads_from_empty_to_the_first_round(bare):
    facts, layout, _ = panel(bare)
    assert facts["step"] == "no_embeddings"
    assert "Compute embeddings" in labels_in(layout)
    bare.add_sample_field("resnet18_embedding", fo.VectorField)
    bare.set_values("resnet18_embedding", [np.float32(v) for v in bare.values("pixels")])
    assert panel(bare)[0]["step"] == "no_importance"
    run(bare, "compute_importance")
    facts, layout, _ = panel(bare)
    assert facts["step"] == "ready"
    assert "Find confused classes" in labels_in(layout)
    run(bare, "find_confused_classes")
    facts, layout, _ = panel(bare)
    assert facts["confusion"]["class_of_interest"] in facts["confusion"]["classes"]
    assert facts["server"]["state"] == "no_key"
    assert "Check again" in labels_in(layout)


def test_the_panel_through_a_round(scored, server):
    run(scored, "find_confused_classes")
    facts, layout, _ = panel(scored)
    assert "Push round 1" in labels_in(layout)
    assert facts["plan"]["proposal"]["scope"] == "dataset"
    words = json.dumps(layout)
    assert "Review the whole dataset" in words
    assert facts["plan"]["headline"] in words
    assert facts["plan"]["rows"][0]["class"].startswith("digit")
    assert '"preset": {"scope": "dataset"}' in words  # what the button fills in
    run(scored, "push_round", n=8, controls=1)
    facts, layout, _ = panel(scored)
    assert facts["step"] == "open"
    assert {"Pull reviews", "Open Label Studio", "Close the round"} <= set(labels_in(layout))
    answer_all(server, scored)
    run(scored, "pull_reviews")
    facts, layout, _ = panel(scored)
    assert facts["step"] == "pulled"
    run(scored, "evaluate_round")
    facts, layout, requests = panel(scored)
    assert facts["step"] in ("go_on", "done")
    assert facts["auroc"][-1]["round"] == 1
    assert sum(bar["wrong"] + bar["right"] for bar in facts["importance"]) == 8
    assert "Importance of right and wrong labels" in json.dumps(layout)
    assert len(json.dumps(requests, default=str)) < 200_000

    _, _, requests = panel(scored, "show_round", {"facts": facts}, row=0)
    assert requests["set_view"]["name"] == "cleaning round 001"
    _, _, requests = panel(scored, "undo_round", {"facts": facts}, row=0)
    assert requests["prompt_user_for_operation"]["params"] == {"round": 1}
    _, _, requests = panel(scored, "open_form", {"facts": facts}, operator="pull_reviews")
    assert requests["prompt_user_for_operation"]["operator_uri"] == f"{PLUGIN}/pull_reviews"


def test_a_class_that_is_given_up_sends_on_to_the_wrong_labels_that_are_left(scored):
    loop = CleaningLoop(scored)
    run(scored, "find_confused_classes")
    for _ in range(2):  # of a class that turns out to be all right
        loop.push_round(AppDesk(), n=25, controls=0, class_of_interest="digit 1")
        loop.record_verdicts(dict.fromkeys(loop.next_page(25).label_ids, "keep"))
        said = run(scored, "evaluate_round")
    assert said["next"].startswith("stop here. No wrong label was found in the last 2 rounds")
    assert (said["report"]["continue"], said["report"]["proposal"]["scope"]) == (False, "dataset")
    facts, layout, _ = panel(scored)
    assert facts["step"] == "left"
    words = json.dumps(layout)
    assert "is done: review the whole dataset" in words
    assert "Wrong labels are left in the whole dataset: of its next" in words
    assert '"operator": "review_here", "preset": {"scope": "dataset"}' in words
    assert "Export the audit" in labels_in(layout)


def test_the_panel_after_an_undo(scored, server):
    run(scored, "find_confused_classes")
    run(scored, "push_round", n=4, controls=0)
    assert panel(scored)[0]["step"] == "open"
    run(scored, "undo_round", round=1)
    facts, layout, _ = panel(scored)
    assert (facts["step"], facts["rounds"][0]["state"]) == ("ready", "undone")
    assert "in review" not in json.dumps(layout)
    assert "Push round 2" in labels_in(layout)
    assert "Open Label Studio" not in labels_in(layout)
    assert "There is no open round" in refusals(form(scored, "close_round"))[0]
    run(scored, "undo_round", round=1, action="redo")
    facts, layout, _ = panel(scored)
    assert facts["step"] == "open"
    assert "Skipped images keep the round open" in json.dumps(layout)
    assert "Close the round" in labels_in(layout)


def test_what_would_be_lost_or_left_out_is_said(scored, server):
    facts, layout, _ = panel(scored)
    assert "dataset.persistent = True" in json.dumps(layout)
    assert "dataset.persistent = True" in json.dumps(form(scored, "push_round"))
    assert facts["left_out"] is None
    ids = scored.match_tags("train").values("id")
    scored.set_values("resnet18_embedding", dict.fromkeys(ids[:2], None), key_field="id")
    scored.set_values("coreset_importance", dict.fromkeys(ids[2:5], None), key_field="id")
    scored.persistent = True
    _, layout, _ = panel(scored)
    words = json.dumps(layout)
    assert "not persistent" not in words
    assert f"5 of {len(ids)} samples are left out: 2 have no embedding, 3 have no" in words
    assert "not persistent" not in json.dumps(form(scored, "push_round"))


def test_many_samples_are_counted_beside_the_app_and_again_when_one_has_changed(
    scored, monkeypatch
):
    ours = type(OperatorRegistry().get_operator(f"{PLUGIN}/label_cleaning")).__module__
    monkeypatch.setattr(sys.modules[f"{ours}.whole"], "AT_ONCE", 0)

    def counted(facts):
        assert facts["counting"]
        give_up = time.monotonic() + 60
        while facts["counting"]:
            assert time.monotonic() < give_up
            facts, _, _ = panel(scored, "poll", {"facts": facts})
        return facts

    facts, layout, _ = panel(scored)
    assert (facts["left_out"], facts["step"]) == (None, "ready")
    assert '"interval": 1000' in json.dumps(layout)
    assert counted(facts)["left_out"] is None
    facts, _, _ = panel(scored)
    assert not facts["counting"]  # nothing has changed
    first, *others = scored.match_tags("train").values("id")
    scored.set_values("resnet18_embedding", {first: None}, key_field="id")
    facts, _, _ = panel(scored)
    assert f"1 of {1 + len(others)} samples" in counted(facts)["left_out"]["what"]


def test_the_panel_does_not_wait_for_a_server_that_hangs(scored, monkeypatch):
    run(scored, "find_confused_classes")
    with socket.create_server(("127.0.0.1", 0)) as listener:  # nobody ever accepts
        monkeypatch.setenv("LABEL_STUDIO_URL", f"http://127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.setenv("LABEL_STUDIO_API_KEY", "k" * 40)
        facts, layout, _ = panel(scored)
        assert facts["server"]["state"] == "unknown"
        assert "Push round 1" in labels_in(layout)
        assert "TimerView" in json.dumps(layout)
        facts = known_server(scored, facts)
        assert facts["server"]["state"] == "down"
        _, layout, _ = panel(scored, "refresh", {"facts": facts})
        assert "Check again" in labels_in(layout)
        assert '"interval": 10000' in json.dumps(layout)  # it may come back by itself


def known_server(dataset, facts):
    """Let the panel's timer fire until the server has been heard of; return the facts then."""
    give_up = time.monotonic() + 60
    while facts["server"]["state"] == "unknown":
        assert time.monotonic() < give_up
        facts, _, _ = panel(dataset, "poll", {"facts": facts})
    return facts


def test_the_timer_looks_at_background_runs_alone(dataset, monkeypatch):
    foo.get_operator(f"{PLUGIN}/compute_importance")(dataset, delegate=True)
    facts, layout, _ = panel(dataset)
    assert "TimerView" in json.dumps(layout)
    # FiftyOne loads the plugin as a package of its own.
    ours = type(OperatorRegistry().get_operator(f"{PLUGIN}/label_cleaning")).__module__
    facts_of, read = sys.modules[f"{ours}.facts"], []
    collect = facts_of.collect

    def count(ctx, **options):
        read.append(ctx)
        return collect(ctx, **options)

    monkeypatch.setattr(facts_of, "collect", count)
    facts, layout, _ = panel(dataset, "poll", {"facts": facts})
    assert (len(facts["running"]), len(read), layout) == (1, 0, None)
    DelegatedOperationService().execute_queued_operations(dataset_name=dataset.name)
    facts, layout, _ = panel(dataset, "poll", {"facts": facts})
    assert len(read) == 1
    assert (facts["running"], facts["step"]) == ([], "ready")
    assert "TimerView" not in json.dumps(layout)


def test_an_event_never_puts_back_what_the_panel_showed_when_it_began(scored):
    old, _, _ = panel(scored)
    assert old["confusion"] is None
    run(scored, "find_confused_classes")
    # These were sent before that, and answered after the panel was read again.
    _, layout, requests = panel(scored, "open_form", {"facts": old}, operator="plan_reviews")
    assert "prompt_user_for_operation" in requests
    assert (layout, requests.get("patch_panel_state")) == (None, None)
    _, layout, requests = panel(scored, "poll", {"facts": old})
    assert (layout, requests.get("patch_panel_state")) == (None, None)
    unknown = {**old, "server": {**old["server"], "state": "unknown"}}
    facts, layout, _ = panel(scored, "poll", {"facts": unknown})
    assert facts["confusion"]
    assert "is taken for" in json.dumps(layout)


def test_of_two_readings_the_one_that_ends_last_began_last(scored, monkeypatch):
    ours = type(OperatorRegistry().get_operator(f"{PLUGIN}/label_cleaning")).__module__
    facts_of, order = sys.modules[f"{ours}.facts"], []
    collect = facts_of.collect
    first_reads, go_on = threading.Event(), threading.Event()

    def slow_at_first(ctx, **options):
        order.append("begins")
        if len(order) == 1:
            first_reads.set()
            assert go_on.wait(60)
        found = collect(ctx, **options)
        order.append("ends")
        return found

    monkeypatch.setattr(facts_of, "collect", slow_at_first)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(panel, scored)
        assert first_reads.wait(60)
        second = pool.submit(panel, scored)
        wait([second], timeout=0.5)  # as long as it would take, were it not kept waiting
        go_on.set()
        assert len(wait([first, second], timeout=60).done) == 2
    assert order == ["begins", "ends"] * 2


def test_a_clicked_cell_opens_the_queue_of_the_predicted_class(scored):
    run(scored, "find_confused_classes")
    facts, _, _ = panel(scored)
    _, _, requests = panel(scored, "open_cell", {"facts": facts}, x="digit 8", y="digit 1")
    assert "digit 8" in json.dumps(requests["set_view"]["view"])
    assert "coreset_importance" in json.dumps(requests["set_view"]["view"])


@pytest.mark.parametrize(
    ("url", "key", "state"),
    [
        ("http://127.0.0.1:9", "k" * 40, "down"),
        (None, "k" * 40, "refused"),
        ("not an address", "k" * 40, "refused"),
    ],
)
def test_the_panel_says_what_is_wrong_with_the_server(
    scored, label_studio, monkeypatch, url, key, state
):
    monkeypatch.setenv("LABEL_STUDIO_URL", url or label_studio.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", key)
    run(scored, "find_confused_classes")
    facts = known_server(scored, panel(scored)[0])
    assert facts["server"]["state"] == state
    _, layout, _ = panel(scored, "refresh", {"facts": facts})
    assert key not in json.dumps(layout)
    assert "Check again" in labels_in(layout)


def test_the_panel_without_labels_and_with_a_removed_field(scored):
    empty = fo.Dataset()
    try:
        assert panel(empty)[0]["step"] == "no_samples"
        empty.add_sample(fo.Sample(filepath="a.png"))
        facts, layout, _ = panel(empty)
        assert facts["step"] == "no_labels"
        assert any("no labels to clean" in text for text in labels_in(layout))
    finally:
        empty.delete()
    scored.rename_sample_field("ground_truth", "labels")
    facts = panel(scored)[0]
    assert facts["step"] == "error"
    assert "is of field 'ground_truth'" in facts["text"]
    assert "**Fix:**" in facts["text"]
    scored.rename_sample_field("labels", "ground_truth")
    assert panel(scored)[0]["step"] == "ready"


def test_export_cleaned_writes_to_the_folder_for_exports_and_never_over_anything(
    scored, tmp_path, monkeypatch
):
    monkeypatch.setattr(fo.config, "default_dataset_dir", str(tmp_path))
    for name in ("../out", "/tmp/out", "a/b", ".hidden", ""):
        assert "without folders" in output_of(scored, "export_cleaned", target=name)
    assert "without folders" in refusals(form(scored, "export_cleaned", target="../out"))[0]
    fields = form(scored, "export_cleaned", format="changes", target="changes.txt")
    assert ".csv or .json" in refusals(fields)[0]
    report = run(scored, "export_cleaned", target="out")["report"]
    assert report["target"] == str(tmp_path / "label-cleaning" / "out")
    assert report["exported"] == len(scored)
    assert "exists already" in refusals(form(scored, "export_cleaned", target="out"))[0]
    assert "exists already" in output_of(scored, "export_cleaned", target="out")
    labels = {"target": "labels.csv", "format": "csv", "test_tag": "(none)"}
    assert run(scored, "export_cleaned", **labels)["report"]["splits"] == {"train": len(scored)}
