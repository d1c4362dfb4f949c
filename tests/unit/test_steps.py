"""The panel's next step after some rounds: its title, and the form that its button opens."""

from __future__ import annotations

import pytest

from coreset_cleaning.app.panel.steps import Stage, next_step, secondary

CLASS = {"scope": "class", "class": "8", "state": "closed", "round": 2, "desk": "labelstudio"}
DATASET = {**CLASS, "scope": "dataset", "class": "whole dataset"}


def facts(stage, last, proposal=None):
    return {
        "step": stage.value,
        "rounds": [last],
        "reasons": ["Because."],
        "next_round": 3,
        "locked": False,
        "plan": {"proposal": proposal},
    }


def proposed(scope="dataset", name=None, elsewhere=True):
    return {"scope": scope, "class": name, "elsewhere": elsewhere}


@pytest.mark.parametrize(
    ("last", "proposal", "title"),
    [
        (CLASS, proposed(), "“8” is done: review the whole dataset"),
        (CLASS, proposed("class", "3"), "“8” is done: review the class “3”"),
        (CLASS, proposed("class", "8", False), "AUROC stands still, but wrong labels are left"),
        (DATASET, proposed(elsewhere=False), "AUROC stands still, but wrong labels are left"),
        (DATASET, proposed("class", "3"), "Done here: review the class “3”"),
    ],
)
@pytest.mark.parametrize("desk", ["labelstudio", "app"])
def test_a_stop_that_leaves_wrong_labels_offers_the_round_that_finds_them(
    last, proposal, title, desk
):
    found = facts(Stage.LEFT, {**last, "desk": desk}, proposal)
    step = next_step(found)
    assert (step.title, step.text) == (title, "Because.")
    assert step.operator == ("review_here" if desk == "app" else "push_round")
    assert step.preset["scope"] == proposal["scope"]
    assert step.preset.get("class_of_interest") == proposal["class"]
    assert ("audit", "Export the audit", "export_audit") in secondary(found, step)


def test_a_final_stop_offers_the_audit():
    found = facts(Stage.DONE, CLASS)
    step = next_step(found)
    assert (step.title, step.operator) == ("Done: stop here", "export_audit")
    assert "export_audit" not in [operator for _, _, operator in secondary(found, step)]
    assert "push_round" in [operator for _, _, operator in secondary(found, step)]


def test_what_pays_goes_on_where_most_is_found():
    step = next_step(facts(Stage.GO_ON, CLASS, proposed()))
    assert step.title == "Another round is worth it: review the whole dataset"
    assert step.preset == {"scope": "dataset"}
