"""What reviews cost, against times that are counted by hand."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coreset_cleaning.core.judging.estimates import wilson_interval
from coreset_cleaning.core.judging.meter import Meter, meter, meters
from coreset_cleaning.core.judging.tally import round_yields
from coreset_cleaning.core.judging.yields import RoundYield, yield_report
from coreset_cleaning.core.review.gold import GoldItem
from coreset_cleaning.core.review.ledger import Event, EventKind, undo
from coreset_cleaning.core.review.queue import BatchItem
from coreset_cleaning.core.review.round import Round
from coreset_cleaning.core.review.rounds import Rounds
from coreset_cleaning.core.review.verdicts import Verdict


def clock(n: int) -> str:
    return f"2026-01-01T00:{n // 60:02d}:{n % 60:02d}.000000Z"


def make_round(number: int = 1, n: int = 4, controls: int = 0, scope: str = "class", hidden=()):
    batch = [
        BatchItem(f"{number}.{k}", k, 0.5, "cat", 1.0, k < controls, "dog", 0.25) for k in range(n)
    ]
    config = {"created_at": clock(number), "options": {"reviewers_per_task": 1, "scope": scope}}
    gold = [GoldItem(i, 90, "cat", "dog", "dog", 0.25, f"{number}.0") for i in hidden]
    return Round(number, "animal", "cat", None, config, batch, {"cat": 100}, gold=gold)


def answers(round_: Round, *said) -> Round:
    """Add answers: (label, answer id, who, verdict, seconds)."""
    return round_.with_events(
        Event(
            EventKind.REVIEW, round_.number, label, clock(20 + at), answer_id, who,
            Verdict(verdict), "dog" if verdict == "relabel" else None, lead_time=lead_time,
            updated_at=clock(20 + at),
        )
        for at, (label, answer_id, who, verdict, lead_time) in enumerate(said)
    )  # fmt: skip


def test_seconds_an_image_and_a_wrong_label():
    round_ = answers(
        make_round(),
        ("1.0", "1", "ann", "keep", 2.0),
        ("1.1", "2", "ann", "relabel", 6.0),
        ("1.2", "3", "ann", "delete", 4.0),
        ("1.3", "4", "ann", "unsure", 4.0),
    )
    found = meter(Rounds([round_]))
    assert (found.total.seconds_per_image, found.total.seconds_per_error) == (4.0, 8.0)
    assert found.by == {("ann", "single"): found.total}
    assert found.random is None
    assert str(found) == (
        "4.0 s an image, 8.0 s a wrong label found; what a random review would cost is not known: "
        "there are no controls."
    )


def test_people_and_pages_are_told_apart_and_a_sheet_s_second_stage_costs_too():
    round_ = answers(
        make_round(),
        ("1.0", "9:0", "ann", "keep", 0.5),
        ("1.1", "9:1", "ann", "unsure", 0.5),
        ("1.1", "10", "ann", "relabel", 5.0),
        ("1.2", "app:bob", "bob", "relabel", 3.0),
    )
    found = meter(Rounds([round_]))
    assert (found.total.images, found.total.seconds, found.total.errors) == (3, 9.0, 2)
    rows = found.to_dict()["by"]
    assert [(r["reviewer"], r["page"], r["images"], r["seconds"], r["errors"]) for r in rows] == [
        ("ann", "sheet", 2, 1.0, 1),
        ("ann", "single", 1, 5.0, 1),
        ("bob", "app", 1, 3.0, 1),
    ]


def test_who_answers_twice_is_paid_twice_and_an_edit_replaces_its_time():
    round_ = answers(
        make_round(),
        ("1.0", "1", "ann", "keep", 2.0),
        ("1.0", "1", "ann", "delete", 7.0),  # Label Studio adds the time of the edit up
        ("1.0", "2", "bob", "delete", 3.0),
    )
    total = meter(Rounds([round_])).total
    assert (total.images, total.timed, total.seconds, total.errors) == (1, 1, 10.0, 1)


@pytest.mark.parametrize("lead_time", [None, 0.0, -1.0, math.nan, math.inf])
def test_an_answer_without_a_time_is_left_out_of_time_and_images(lead_time):
    round_ = answers(
        make_round(),
        ("1.0", "1", "ann", "keep", 3.0),
        ("1.1", "2", "ann", "delete", lead_time),
    )
    total = meter(Rounds([round_])).total
    assert (total.images, total.timed, total.seconds, total.errors) == (2, 1, 3.0, 0)
    nothing = meter(Rounds([answers(make_round(), ("1.1", "2", "ann", "delete", lead_time))]))
    assert nothing.total.seconds_per_image is nothing.total.seconds_per_error is None
    assert str(nothing) == "How long the answers took is not known."
    assert not nothing.tells


@given(st.lists(st.floats(1, 9), min_size=5, max_size=20), st.floats(1e3, 1e9))
def test_a_page_left_open_costs_what_a_usual_one_does(times, lunch):
    said = [(f"1.{k}", str(k), "ann", "keep", seconds) for k, seconds in enumerate(times)]
    before = meter(Rounds([answers(make_round(n=21), *said)])).total
    after = meter(
        Rounds([answers(make_round(n=21), *said, ("1.20", "99", "ann", "keep", lunch))])
    ).total
    assert (before.left_open, after.left_open) == (0, 1)
    assert min(times) - 1e-6 <= after.seconds - before.seconds <= max(times) + 1e-6


def test_one_page_alone_is_believed_up_to_five_minutes_an_image():
    def seconds(lead_time):
        return meter(Rounds([answers(make_round(), ("1.0", "1", "ann", "keep", lead_time))])).total

    assert seconds(299.0).seconds == 299.0
    assert (seconds(9999.0).seconds, seconds(9999.0).left_open) == (300.0, 1)


def test_a_random_review_costs_what_the_controls_say():
    said = [(f"1.{k}", str(k), "ann", "keep" if k else "delete", 2.0) for k in range(10)]
    found = meter(Rounds([answers(make_round(n=10, controls=10), *said)]))
    rate = yield_report([RoundYield(100, 10, 1, 10, 1)]).noise_rate
    assert found.random is not None
    assert (found.random.value, found.random.low, found.random.high) == pytest.approx(
        (2 / rate.value, 2 / rate.high, 2 / rate.low)
    )
    assert "a random review would take 15 s (5.7 s to 3 min)." in str(found)


def test_where_nothing_was_wrong_a_random_review_may_take_for_ever():
    said = [(f"1.{k}", str(k), "ann", "keep", 2.0) for k in range(5)]
    found = meter(Rounds([answers(make_round(n=5, controls=5), *said)]))
    assert found.random is not None
    assert found.random.high == math.inf
    assert "none was wrong; a random review would take 25 s (5.9 s or more)." in str(found)
    # JSON has no infinity.
    assert found.to_dict()["random_seconds_per_error"]["high"] is None


def test_each_round_is_held_against_what_it_was_drawn_from_and_undone_ones_tell_nothing():
    one = [(f"1.{k}", str(k), "ann", "keep" if k else "delete", 2.0) for k in range(5)]
    two = [(f"2.{k}", str(k), "ann", "delete", 8.0) for k in range(5)]
    rounds = [
        answers(make_round(1, 5, controls=5), *one),
        answers(make_round(2, 5, controls=5, scope="dataset"), *two),
    ]
    whole, each = meters(Rounds(rounds))
    rates = [
        yield_report(round_yields(Rounds(rounds), queue)).noise_rate.value
        for queue in ("cat", None)
    ]
    assert each[1].random.value == pytest.approx(2 / rates[0])
    assert each[2].random.value == pytest.approx(8 / rates[1])
    # As many images of either, at the pace of both.
    assert whole.random.value == pytest.approx(5 / (sum(rates) / 2))
    assert whole == meter(Rounds(rounds))
    assert whole.total.images == 10
    known = wilson_interval(1, 2)
    assert meters(Rounds(rounds), {"cat": known})[1][1].random.value == 4.0
    rounds[1].events.append(undo(2, clock(900)))
    whole, each = meters(Rounds(rounds))
    assert whole == each[1]
    assert each[2].random is None


def test_what_was_missed_by_whom():
    round_ = answers(
        make_round(hidden=["g", "h", "i"]),
        ("1.0", "1", "ann", "keep", 2.0),
        ("g", "2", "ann", "keep", 50.0),
        ("h", "3:1", "ann", "delete", 50.0),
        ("g", "app:bob", "bob", "relabel", 50.0),
    )
    found = meter(Rounds([round_]))
    # Gold images are no reviews: what they take is not the price of a label.
    assert (found.total.images, found.total.seconds) == (1, 2.0)
    assert (found.gold, found.total.gold_answered, found.total.gold_noticed) == (3, 2, 2)
    by = {key: (pace.gold_answered, pace.gold_noticed) for key, pace in found.by.items()}
    assert by == {("ann", "single"): (1, 0), ("ann", "sheet"): (1, 1), ("bob", "app"): (1, 1)}
    low, high = (getattr(wilson_interval(2, 2), end) for end in ("low", "high"))
    assert str(found).endswith(
        f" Of 3 gold images 2 are answered and 2 were noticed ({low:.0%} to {high:.0%}): "
        "ann 1 of 2 (9% to 91%), bob 1 of 1 (21% to 100%)."
    )
    assert found.tells


def test_an_edit_of_a_gold_answer_counts_once():
    round_ = answers(
        make_round(hidden=["g"]),
        ("g", "2", "ann", "keep", 5.0),
        ("g", "2", "ann", "delete", 5.0),
    )
    assert meter(Rounds([round_])).by["ann", "single"].gold_noticed == 1
    assert str(Meter(gold=2)).endswith("Of 2 gold images 0 are answered.")


def test_it_goes_through_json():
    round_ = answers(make_round(hidden=["g"]), ("1.0", "1", "ann", "keep", 2.0))
    found = meter(Rounds([round_])).to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
