"""Bad arrays are refused with their place and the fix."""

from __future__ import annotations

import numpy as np
import pytest

from coreset_cleaning.core.errors import DataError
from coreset_cleaning.core.scoring import checks
from coreset_cleaning.core.scoring.checks import check_arrays, not_finite_rows


def test_rows_that_are_not_finite_are_numbered_across_chunks():
    X = np.zeros((3000, 4000), dtype=np.float32)  # more than one block of rows
    X[[1, 1500, 2999], 7] = np.nan, np.inf, -np.inf
    np.testing.assert_array_equal(not_finite_rows(X), [1, 1500, 2999])


def test_only_the_first_of_many_bad_rows_are_named():
    X = np.full((30, 2), np.nan)
    named = ", ".join(map(str, range(checks.NAMED_ROWS)))
    with pytest.raises(DataError, match=rf"in 30 rows \({named}\b"):
        check_arrays(X, np.zeros(30, dtype=int), None, 2)


@pytest.mark.parametrize("bad", [-1, 4])
def test_a_label_outside_is_named_with_the_range(bad):
    labels = np.array([0, 3, bad, 1])
    with pytest.raises(DataError, match=rf"in 0\.\.3, got {bad} in row 2 \(1 rows"):
        check_arrays(np.ones((4, 2)), labels, None, 4)


def test_good_arrays_come_back_with_weights_of_one():
    X, y, weight, K = check_arrays(np.ones((3, 2)), [0, 1, 1], None, None)
    assert (X.shape, y.tolist(), weight.tolist(), K) == ((3, 2), [0, 1, 1], [1.0] * 3, 2)
