"""What the charts of files and panel draw."""

from __future__ import annotations

import pytest

from coreset_cleaning.app.panel import charts as panel_charts
from coreset_cleaning.core.judging.tally import ImportanceBar
from coreset_cleaning.core.review.verdicts import Outcome
from coreset_cleaning.reports.charts import budget_points, save_charts


def row(
    cls="cat", pool=1000, reviewed=50, errors=20, n_controls=10, control_errors=2, scope="class"
):
    return {
        "scope": scope,
        "class_of_interest": cls,
        "pool": pool,
        "reviewed": reviewed,
        "errors_found": errors,
        "n_controls": n_controls,
        "control_errors": control_errors,
    }


def test_the_random_line_comes_from_the_controls_with_its_interval():
    points = budget_points([row(), row(pool=950, errors=10, control_errors=1)], None)
    assert (points["reviewed"], points["found"]) == ([0, 50, 100], [0, 20, 30])
    assert points["random"][0] == 0
    assert points["low"][2] < points["random"][2] < points["high"][2]
    assert 10 < points["random"][2] < 25
    assert points["random"][1] == pytest.approx(points["random"][2] / 2)


def test_a_rate_that_is_known_needs_no_interval():
    points = budget_points([row()], 0.1)
    assert (points["random"], points["low"]) == ([0, 5], [])


def test_without_controls_there_is_no_random_line():
    assert budget_points([row(n_controls=0, control_errors=0)], None)["random"] == []
    assert budget_points([], None) == {
        "reviewed": [0],
        "found": [0],
        "random": [],
        "low": [],
        "high": [],
    }


def test_controls_of_several_classes_are_put_together():
    points = budget_points([row(), row("dog", pool=40, reviewed=40, control_errors=6)], None)
    assert points["random"][2] == pytest.approx(90 * 8 / 20)
    assert points["low"][2] < points["random"][2] < points["high"][2]


def test_an_open_round_without_answers_is_passed_over():
    assert budget_points([row(), row(reviewed=0, errors=0)], None)["reviewed"] == [0, 50]


def test_several_curves_share_a_picture_and_bars_of_importance_have_one_of_their_own(tmp_path):
    drawn = {**dict.fromkeys((o.value for o in Outcome), 0), **row(), "round": 1, "undone": False}
    history = [{**drawn, "evaluation": None}]
    (folder := tmp_path / "alone").mkdir()
    assert [path.name for path in save_charts(history, folder)] == ["verdicts.png", "budget.png"]
    bars = [ImportanceBar(0.1, 1.0, 0, 4), ImportanceBar(1.0, 10.0, 5, 1)]
    (both := tmp_path / "both").mkdir()
    *_, budget, importance = save_charts(
        history, both, importance=bars, beside={"the whole dataset": [(50, 45), (100, 80)]}
    )
    assert importance.name == "importance.png"
    assert budget.read_bytes() != (folder / "budget.png").read_bytes()


def test_the_panel_draws_a_bar_for_each_range_of_importance():
    bars = [{"low": 0.1, "high": 1.0, "wrong": 0, "right": 4},
            {"low": 1.0, "high": 10.0, "wrong": 5, "right": 1}]  # fmt: skip
    (wrong, right), layout = panel_charts.importance(bars)
    assert (wrong["x"], wrong["y"], right["y"]) == (["0.1 to 1", "1 to 10"], [0, 5], [4, 1])
    assert layout["barmode"] == "stack"
