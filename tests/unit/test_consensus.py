"""What reviewers' answers come to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coreset_cleaning.core.review.consensus import combine
from coreset_cleaning.core.review.verdicts import Outcome, Verdict

KEEP, DELETE, UNSURE = (Verdict.KEEP, None), (Verdict.DELETE, None), (Verdict.UNSURE, None)
CAT, DOG = (Verdict.RELABEL, "cat"), (Verdict.RELABEL, "dog")


@pytest.mark.parametrize(
    ("answers", "outcome", "label"),
    [
        ([KEEP], Outcome.KEPT, None),
        ([CAT], Outcome.RELABELED, "cat"),
        ([DELETE], Outcome.DELETED, None),
        ([UNSURE], Outcome.UNSURE, None),
        ([UNSURE, UNSURE], Outcome.UNSURE, None),
        ([UNSURE, DELETE], Outcome.DELETED, None),
        ([KEEP, DELETE], Outcome.CONFLICT, None),
        ([CAT, DOG], Outcome.CONFLICT, None),
        ([CAT, DOG, CAT], Outcome.RELABELED, "cat"),
        ([KEEP, KEEP, CAT, DOG], Outcome.KEPT, None),
        ([KEEP, KEEP, CAT, CAT, DOG], Outcome.CONFLICT, None),
    ],
)
def test_most_certain_answers_decide(answers, outcome, label):
    assert combine(answers) == (outcome, label)


@given(
    answers=st.lists(st.sampled_from([KEEP, DELETE, UNSURE, CAT, DOG]), min_size=1),
    random=st.randoms(use_true_random=False),
)
def test_the_order_of_reviewers_does_not_matter(answers, random):
    shuffled = list(answers)
    random.shuffle(shuffled)
    assert combine(shuffled) == combine(answers)
