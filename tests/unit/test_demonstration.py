"""The demo: what it says and does when the whole dataset is reviewed instead of a class."""

from __future__ import annotations

from pathlib import Path

import pytest

from demonstration.__main__ import parser
from demonstration.data import DemoImage
from demonstration.report import _curve, _shown, error_rate, write
from demonstration.reviewer import SimulatedReviewer
from demonstration.run import batch_size

PNG = Path("0.png")
IMAGES = [
    *(DemoImage(PNG, "cat", "dog" if k < 30 else "cat", test=False) for k in range(120)),
    *(DemoImage(PNG, "dog", "dog", test=False) for _ in range(180)),
    *(DemoImage(PNG, "cat", "cat", test=True) for _ in range(300)),
]


def test_size_and_noise_are_those_of_what_is_reviewed() -> None:
    assert (error_rate(IMAGES, "cat"), error_rate(IMAGES, None)) == (30 / 120, 30 / 300)
    assert (batch_size(IMAGES, "cat"), batch_size(IMAGES, None)) == (10, 25)
    assert parser().parse_args([]).scope == "class"


@pytest.mark.parametrize(("rival", "says"), [("dog", "delete"), (None, "relabel")])
def test_without_a_rival_every_wrong_label_gets_its_class(rival: str | None, says: str) -> None:
    reviewer = SimulatedReviewer(
        "http://127.0.0.1:9", "0" * 40, {"a": "owl"},
        rival=rival, dataset_id="d" * 24, label_field="f", n_classes=3,
    )  # fmt: skip
    shown = {"push_key": f"{'d' * 24}:f:1:a", "label": "cat", "suggested": "dog"}
    assert reviewer._judge(shown)[0] == says
    assert reviewer._judge({**shown, "label": "owl"}) == ("keep", None)


def test_the_report_of_the_whole_dataset_names_no_class(tmp_path: Path) -> None:
    counts = dict.fromkeys(("relabeled", "deleted", "kept", "unsure", "conflict"), 0)
    history = {
        **counts, "round": 1, "scope": "dataset", "class_of_interest": "whole dataset",
        "pool": 300, "reviewed": 10, "errors_found": 8, "n_controls": 1, "control_errors": 0,
        "undone": False, "evaluation": None,
    }  # fmt: skip
    row = {
        "round": 1, "reviewed": 10, "wrong_found": 8, "relabeled": 8, "deleted": 0,
        "precision": 0.8, "cv_auroc": 0.9, "frozen_auroc": 0.9, "heldout_auroc": None,
    }  # fmt: skip
    result = {
        "data": "d", "rounds": [row], "baseline": None, "random_precision": 0.1,
        "class_of_interest": "whole dataset", "rival": None,
    }  # fmt: skip
    page, *charts = write(tmp_path, result, [history])
    text = page.read_text()
    assert "8 wrong labels found among 10 reviewed images (80%; a random review" in text
    assert "confused with" not in text
    assert {chart.name for chart in charts} == {"verdicts.png", "budget.png"}


def test_the_curve_of_another_run_is_drawn_beside(tmp_path: Path) -> None:
    rounds = [{"reviewed": 10, "wrong_found": 3}, {"reviewed": 10, "wrong_found": 1}]
    other = {"scope": "class", "class_of_interest": "cat", "rounds": rounds}
    assert list(_curve(other)) == [(10, 3), (20, 4)]
    assert _shown(other) == "class “cat”"
    assert _shown({"scope": "dataset"}) == "the whole dataset"
    assert parser().parse_args(["--beside", "a.json"]).beside == ["a.json"]
