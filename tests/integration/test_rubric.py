"""What FiftyOne's makers look at in a plugin (`fiftyone-eval-plugin`), where a test can hold it."""

from __future__ import annotations

import asyncio
import itertools
import re
from pathlib import Path
from typing import Any

import fiftyone as fo
import pytest
import yaml
from fiftyone.operators import types
from fiftyone.operators.executor import (
    ExecutionContext,
    ExecutionError,
    Executor,
    execute_or_delegate_operator,
)
from fiftyone.operators.registry import OperatorRegistry

from coreset_cleaning.app.operators.refusals import what_it_must_be
from support.digits import Digits

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = yaml.safe_load((ROOT / "fiftyone.yml").read_text(encoding="utf-8"))
PLUGIN = MANIFEST["name"]
# Looks; writes what can be taken back or written again; sends away, deletes, speaks for people.
RISKS = {
    "low": {
        "check_setup", "evaluate_round", "find_confused_classes", "open_label_cleaning",
        "open_review_queue", "plan_reviews",
    },
    "medium": {
        "compute_embeddings", "compute_importance", "export_cleaned", "pull_reviews", "review_here",
        "sample_coreset", "undo_round",
    },
    "high": {"close_round", "export_audit", "name_marked", "push_round"},
}  # fmt: skip
# Buttons and parts of others: nobody looks for them.
UNLISTED = {"name_marked", "open_label_cleaning"}
COMMON = {"a", "an", "and", "as", "by", "for", "in", "is", "it", "of", "on", "or", "the", "to"}


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "label-cleaning").symlink_to(ROOT, target_is_directory=True)
    monkeypatch.setattr(fo.config, "plugins_dir", str(tmp_path))


def registered() -> dict[str, Any]:
    operators = OperatorRegistry().list_operators()
    return {op.config.name: op for op in operators if op.plugin_name == PLUGIN}


def context(dataset: Any, name: str, **params: Any) -> ExecutionContext:
    return ExecutionContext(
        request_params={"dataset_name": dataset.name, "params": params},
        executor=Executor(),
        operator_uri=f"{PLUGIN}/{name}",
        required_secrets=MANIFEST["secrets"],
    )


def refusal(dataset: Any, name: str, **params: Any) -> str:
    """Run an operator as the App's server does; return why it refuses."""
    request = {"dataset_name": dataset.name, "params": params}
    with pytest.raises(ExecutionError) as caught:
        asyncio.run(execute_or_delegate_operator(f"{PLUGIN}/{name}", request, exhaust=True))
    return str(caught.value)


def test_the_manifest_says_all_that_it_can() -> None:
    assert re.fullmatch(r"@[\w-]+/[\w-]+", PLUGIN)
    assert re.fullmatch(r"\d+\.\d+\.\d+", MANIFEST["version"])
    for key in ("author", "description", "license", "py_entry", "tags", "secrets", "skills"):
        assert MANIFEST[key]
    assert MANIFEST["fiftyone"]["version"].startswith(">=")
    assert set(registered()) == {*MANIFEST["operators"], *MANIFEST["panels"]}


def test_operators_say_what_they_are_for_how_risky_they_are_and_show_what_came_of_it() -> None:
    found = registered()
    risks = {name: found[name].config.risk_level.value for name in MANIFEST["operators"]}
    assert risks == {name: risk for risk, names in RISKS.items() for name in names}
    for name in MANIFEST["operators"]:
        config = found[name].config
        assert config.unlisted is (name in UNLISTED)
        assert config.icon
        assert config.label
        if name != "open_label_cleaning":  # opens a panel, which is all there is to see
            assert len(config.description) > 40
            assert type(found[name]).resolve_output
    for name in MANIFEST["panels"]:
        config = found[name].config
        assert config.icon
        assert config.help_markdown
        assert config.category


def test_no_two_descriptions_could_be_meant() -> None:
    found = registered()
    words = {
        name: set(re.findall(r"[a-z]+", (found[name].config.description or "").lower())) - COMMON
        for name in MANIFEST["operators"]
        if name not in UNLISTED
    }
    for (one, a), (other, b) in itertools.combinations(words.items(), 2):
        assert len(a & b) / len(a | b) < 0.3, f"{one} and {other} share {a & b}"


@pytest.mark.parametrize(
    ("name", "params", "said"),
    [
        ("compute_embeddings", {"model": "vgg"}, "model must be one of resnet18"),
        ("compute_embeddings", {"batch_size": "many"}, "batch_size must be a number, got 'many'"),
        ("compute_embeddings", {"image_size": 31}, "image_size must be 32 or more, got 31"),
        ("compute_embeddings", {"overwrite": "yes"}, "overwrite must be true or false"),
        (
            "compute_importance",
            {"label_field": 5},
            "label_field must be one of ground_truth, got 5",
        ),
        ("open_review_queue", {"class_of_interest": "digit 7"}, "must be one of digit 1"),
        ("plan_reviews", {"budget": 2.5}, "budget must be a whole number, got 2.5"),
        ("review_here", {"label_field": "x"}, "label_field 'x' of dataset"),
        ("review_here", {"test_tag": 3}, "test_tag must be a name, got 3"),
        ("review_here", {"scope": "class", "more_classes": "digit 1"}, "must be a list"),
        ("review_here", {"n": 5, "controls": 9}, "can't be more controls than samples"),
        ("sample_coreset", {}, "Path: m. Reason: Required property"),
        ("push_round", {}, "No Label Studio server is set"),
    ],
)
def test_bad_parameters_are_refused_in_words(
    name: str, params: dict[str, Any], said: str, confused_scored: Digits
) -> None:
    assert said in refusal(confused_scored.dataset, name, **params)


def test_many_values_are_not_all_listed() -> None:
    must = what_it_must_be(types.Enum([str(number) for number in range(30)]), "x")
    assert must.endswith("10, 11 and 18 more")
    assert what_it_must_be(types.List(types.Number(min=1)), [3, 0]) == (
        "a list of which each is 1 or more"
    )
    assert what_it_must_be(types.Number(max=5), 6) == "5 or less"
    assert what_it_must_be(types.Number(max=5), 5) == ""


def test_a_push_says_what_goes_where_before_it_is_sent(
    confused_scored: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", "http://127.0.0.1:9/labels")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "0" * 8)
    operator = registered()["push_round"]
    for images, what in (("upload", "Copies of the images"), ("url", "The addresses of the imag")):
        ctx = context(confused_scored.dataset, "push_round", images=images)
        form = operator.resolve_input(ctx).to_json()["type"]["properties"]
        said = form["destination"]["view"]["description"]
        assert what in said
        assert "http://127.0.0.1:9/labels" in said
    assert "LABEL_STUDIO_URL" in operator.config.description
