"""Rows that lie elsewhere, in parts, give what rows in one array give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from coreset_cleaning.core.scoring.importance import score_labels
from coreset_cleaning.core.scoring.rows import gather, run_rows, take


class Shelves:
    """A matrix in three parts: the smallest thing that is a RowStore."""

    def __init__(self, parts: Sequence[np.ndarray]) -> None:
        self.parts = parts
        self.shape = (sum(map(len, parts)), parts[0].shape[1])
        self.dtype = parts[0].dtype
        self.ends = np.cumsum([len(part) for part in parts])

    def run_rows(
        self,
        function: Callable[..., Any],
        arrays: Sequence[Any],
        shared: Sequence[Any],
        width: int | None,
        n_bytes: int,
    ) -> Any:
        sums, rows = [], []
        for part, end in zip(self.parts, self.ends, strict=True):
            mine = [array[end - len(part) : end] for array in arrays]
            found = run_rows(function, part, mine, shared, width=width, n_bytes=n_bytes)
            sums.append(found[0])
            rows.append(found[1])
        return (
            [np.sum(terms, axis=0) for terms in zip(*sums, strict=True)],
            [np.concatenate(blocks) for blocks in zip(*rows, strict=True)],
        )

    def derive(self, function: Callable[..., Any], shared: Sequence[Any], rows: Any) -> Shelves:
        derived = []
        for part, end in zip(self.parts, self.ends, strict=True):
            begin = end - len(part)
            mine = rows[(rows >= begin) & (rows < end)] - begin
            derived.append(function(part[mine], *shared))
        return Shelves(derived)

    def permuted(self, order: Any) -> Shelves:
        moved = np.concatenate(self.parts)[order]
        return Shelves(np.split(moved, self.ends[:-1]))


@pytest.fixture
def matrix() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((90, 6)).astype(np.float32)


@pytest.fixture
def shelves(matrix: np.ndarray) -> Shelves:
    return Shelves([matrix[:20], matrix[20:21], matrix[21:]])


def test_rows_come_back_in_the_order_asked_for(matrix: np.ndarray, shelves: Shelves) -> None:
    rows = np.array([88, 3, 20, 3, 0])
    np.testing.assert_array_equal(gather(shelves, rows), matrix[rows])
    np.testing.assert_array_equal(gather(matrix, rows), matrix[rows])
    rising = np.array([1, 20, 89])
    np.testing.assert_array_equal(gather(take(shelves, rising), np.arange(3)), matrix[rising])
    np.testing.assert_array_equal(gather(take(matrix, rising), np.arange(3)), matrix[rising])


def test_no_rows_have_sums_of_zero(matrix: np.ndarray) -> None:
    def total(block: np.ndarray, weight: np.ndarray) -> Any:
        return (weight @ block,), (block[:, 0],)

    (found,), (first,) = run_rows(total, matrix[:0], [np.empty(0)])
    np.testing.assert_array_equal(found, np.zeros(6))
    assert first.shape == (0,)


def test_scores_are_those_of_one_array(matrix: np.ndarray, shelves: Shelves) -> None:
    labels = np.arange(90) % 3
    matrix[np.arange(90), labels] += 2
    labels[::10] = (labels[::10] + 1) % 3
    here = score_labels(matrix, labels)
    there = score_labels(shelves, labels)
    np.testing.assert_allclose(there.importance, here.importance, rtol=1e-4, atol=1e-9)
    np.testing.assert_array_equal(there.suggested_class, here.suggested_class)
