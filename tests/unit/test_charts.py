"""What the charts of files and panel draw."""

from __future__ import annotations

import pytest

from coreset_cleaning.reports.charts import budget_points


def row(cls="cat", pool=1000, reviewed=50, errors=20, n_controls=10, control_errors=2):
    return {
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
