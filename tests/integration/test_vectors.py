from __future__ import annotations

import fiftyone as fo
import numpy as np
import pytest

from coreset_cleaning.core.errors import DataError
from coreset_cleaning.store.vectors import ids_without_vector, read_vectors, write_vectors


@pytest.fixture
def dataset():
    dataset = fo.Dataset()
    dataset.add_samples([fo.Sample(filepath=f"{i}.jpg", number=i) for i in range(20)])
    yield dataset
    dataset.delete()


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((20, 16)).astype(np.float32)


def test_reads_what_was_written_and_what_fiftyone_reads(dataset, vectors):
    ids = dataset.values("id")
    write_vectors(dataset, "embedding", dict(zip(ids, vectors, strict=True)))
    read_ids, read, missing = read_vectors(dataset, "embedding")
    assert read_ids == ids
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, vectors)
    np.testing.assert_array_equal(read, np.stack(dataset.values("embedding")))
    assert not missing.any()


def test_order_is_that_of_the_view(dataset, vectors):
    write_vectors(dataset, "embedding", dict(zip(dataset.values("id"), vectors, strict=True)))
    view = dataset.sort_by("number", reverse=True).skip(3).limit(5)
    ids, read, _ = read_vectors(view, "embedding")
    assert ids == view.values("id")
    np.testing.assert_array_equal(read, vectors[16:11:-1])


def test_samples_without_a_vector_are_marked(dataset, vectors):
    ids = dataset.values("id")
    write_vectors(dataset, "embedding", {})
    assert ids_without_vector(dataset, "embedding") == ids
    write_vectors(dataset, "embedding", {ids[i]: vectors[i] for i in (3, 7)})
    _, read, missing = read_vectors(dataset, "embedding")
    assert list(np.flatnonzero(~missing)) == [3, 7]
    np.testing.assert_array_equal(read[3], vectors[3])
    assert (read[missing] == 0).all()
    assert ids_without_vector(dataset, "embedding") == [i for i in ids if i not in (ids[3], ids[7])]


def test_a_field_that_does_not_exist_yet_is_missing_everywhere(dataset):
    assert ids_without_vector(dataset, "embedding") == dataset.values("id")


def test_rows_of_other_types_and_list_fields_are_read_too(dataset, vectors):
    mixed = list(vectors.astype(np.float64))
    mixed[1] = vectors[1].astype(np.float16)
    mixed[2] = np.arange(16)
    dataset.add_sample_field("mixed", fo.VectorField)
    dataset.set_values("mixed", mixed)
    dataset.set_values("listed", [list(map(float, row)) for row in vectors])
    np.testing.assert_array_equal(
        read_vectors(dataset, "mixed")[1], np.stack(mixed).astype(np.float32)
    )
    np.testing.assert_array_equal(read_vectors(dataset, "listed")[1], vectors)


def test_vectors_of_two_lengths_are_refused(dataset, vectors):
    ids = dataset.values("id")
    write_vectors(dataset, "embedding", {ids[0]: vectors[0], ids[1]: vectors[1][:9]})
    with pytest.raises(DataError, match=f"sample {ids[1]} has 9 numbers, others 16"):
        read_vectors(dataset, "embedding")


def test_no_such_field_and_no_vector_field_are_named(dataset, vectors):
    write_vectors(dataset, "embedding", {})
    with pytest.raises(DataError, match=r"got 'none' \(its vector fields: embedding\)"):
        read_vectors(dataset, "none")
    with pytest.raises(DataError, match="field filepath must hold one-dimensional arrays"):
        read_vectors(dataset, "filepath")


def test_an_empty_view(dataset):
    write_vectors(dataset, "embedding", {})
    ids, read, missing = read_vectors(dataset.limit(0), "embedding")
    assert (ids, read.shape, missing.shape) == ([], (0, 0), (0,))
