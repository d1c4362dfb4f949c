"""What older versions stored is read; what newer ones stored is refused."""

from __future__ import annotations

import pytest

from coreset_cleaning.core.errors import RoundError
from coreset_cleaning.core.review.schema import SCHEMA, check_schema, split_round, split_start


def old_round(**more):
    config = {"class_of_interest": "cat", "pool": 120, "seed": 3}
    content = {"schema": 1, "batch": [], "events": [], "project": {}, "evaluation": None}
    return config, {**content, "closed_at": None, **more}


def test_a_round_of_schema_1_is_read():
    config, content = old_round()
    head, new, rest = split_round(config, content)
    assert head == {
        "class_of_interest": "cat",
        "seed": 3,
        "schema": SCHEMA,
        "events": [],
        "closed_at": None,
        "url": "",
    }
    assert new == {"schema": SCHEMA, "batch": [], "pools": {"cat": 120}}
    assert rest == {"project": {}, "evaluation": None}
    assert (config, content) == old_round()  # as it was


def test_a_round_of_schema_2_is_read():
    project = {"server": "http://127.0.0.1", "id": 4, "cursor": "then", "url": "http://127.0.0.1/4"}
    config, content = old_round(
        schema=2,
        pools={"cat": 5, "dog": 7},
        events=[{"kind": "undo"}],
        project=project,
        evaluation={"pair": {}},
        closed_at="now",
    )
    del config["pool"]
    head, new, rest = split_round(config, content)
    assert (head["events"], head["closed_at"]) == ([{"kind": "undo"}], "now")
    assert head["url"] == "http://127.0.0.1/4"
    assert new["pools"] == {"cat": 5, "dog": 7}
    assert rest == {"project": project, "evaluation": {"pair": {}}}


def test_a_start_of_schema_1_said_nothing_of_its_schema():
    columns = {"given_labels": {"a": "cat"}, "importance": {"a": 0.5}}
    content = {**columns, "config_": {"test_tag": "test"}, "pair": ["cat", "dog"], "evaluation": 1}
    assert split_start(content) == (
        {"test_tag": "test", "schema": SCHEMA, "pair": ["cat", "dog"]},
        {"schema": SCHEMA, **columns},
        {"evaluation": 1},
    )


@pytest.mark.parametrize("version", range(1, SCHEMA + 1))
def test_what_this_version_can_read_is_not_refused(version):
    check_schema(version, "round 7")


def test_documents_of_a_newer_version_are_refused():
    with pytest.raises(RoundError, match=rf"round 7 was written with schema 99.*up to {SCHEMA}"):
        check_schema(99, "round 7")
