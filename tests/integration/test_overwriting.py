"""``overwrite=True``: the vectors that are there stay, byte for byte, until the new ones are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import fiftyone as fo
import numpy as np
import pytest
from PIL import Image

from coreset_cleaning import CleaningLoop
from coreset_cleaning.core.errors import CleaningError
from support.neighbours import documents, loop_of, refusal, tiny

N = 8


@pytest.fixture
def pictures(tmp_path: Path) -> Any:
    """Make eight pictures with vectors of a user's own."""
    dataset = tiny(N)
    paths = []
    for i in range(N):
        paths.append(str(tmp_path / f"{i}.png"))
        Image.new("RGB", (8, 8), (30 * i, 0, 0)).save(paths[-1])
    dataset.set_values("filepath", paths)
    return dataset


class Model:
    """Gives each picture its mean colour; may give up at one of them."""

    def __init__(self, gives_up_at: int = 0, name: str = "mean colour") -> None:
        self.gives_up_at, self.name, self.seen = gives_up_at, name, 0

    def embed(self, image: Any) -> Any:
        self.seen += 1
        if self.seen == self.gives_up_at:
            raise RuntimeError("no more power")
        return image.reshape(-1, 3).mean(axis=0).astype(np.float32)


def vectors(dataset: Any) -> dict[str, bytes]:
    return {i: s["vec"] for i, s in documents(dataset)["samples"].items()}


def overwrite(dataset: Any, model: Any, **options: Any) -> Any:
    return loop_of(dataset).compute_embeddings(
        model, batch_size=1, **{"overwrite": True, **options}
    )


REFUSED: dict[str, Callable[[Any, Path], Any]] = {
    "a view, and vectors of something else outside of it": lambda dataset, _: overwrite(
        dataset.limit(3), Model()
    ),
    "no field of paths": lambda dataset, _: overwrite(dataset, Model(), path_field="vec"),
    "no such field": lambda dataset, _: overwrite(dataset, Model(), path_field="path"),
    "no model": lambda dataset, _: overwrite(dataset, object()),
    "no such network": lambda dataset, _: overwrite(dataset, "resnet19"),
    "no such engine": lambda dataset, _: overwrite(dataset, Model(), engine="spark"),
    "a model and Ray": lambda dataset, _: overwrite(dataset, Model(), engine="ray"),
    "no cluster of Ray": lambda dataset, weights: overwrite(
        dataset, "resnet18", weights=weights, image_size=32, engine="ray"
    ),
    "no weights": lambda dataset, _: overwrite(dataset, "resnet18", weights="/no/such.pth"),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_what_can_be_refused_is_refused_before_anything_changes(
    call: Callable[[Any, Path], Any], pictures: Any, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    before = documents(pictures)
    with pytest.raises(CleaningError):
        call(pictures, weights)
    assert documents(pictures) == before


def test_vectors_of_another_network_outside_the_view_are_not_mixed_with(pictures: Any) -> None:
    overwrite(pictures, Model(name="the first"))
    before = documents(pictures)
    error = refusal(overwrite, pictures.limit(3), Model(name="the second"))
    assert "the first" in error.what
    assert documents(pictures) == before
    assert overwrite(pictures.limit(3), Model(name="the first")).computed == 3


@pytest.mark.parametrize("at", [1, 5])
def test_a_model_that_gives_up_costs_nothing_and_is_gone_on_with(pictures: Any, at: int) -> None:
    before, fields = vectors(pictures), set(pictures.get_field_schema())
    with pytest.raises(RuntimeError, match="no more power"):
        overwrite(pictures, Model(gives_up_at=at))
    assert vectors(pictures) == before
    assert loop_of(pictures).compute_importance().samples == N

    model = Model()
    report = overwrite(pictures, model)
    assert (report.computed, model.seen) == (N - at + 1, N - at + 1)
    fields_now = {f for f in pictures.get_field_schema() if "replaced" in f or f in fields}
    assert fields_now == fields
    expected = [[30.0 * i, 0.0, 0.0] for i in range(N)]
    np.testing.assert_allclose(np.stack(pictures.values("vec")), expected)
    assert not any("replaced" in key for key in pictures.list_runs())


def test_another_model_does_not_go_on_with_what_one_left(pictures: Any) -> None:
    with pytest.raises(RuntimeError):
        overwrite(pictures, Model(gives_up_at=5, name="the first"))
    model = Model(name="the second")
    overwrite(pictures, model)
    assert model.seen == N


def test_unreadable_pictures_leave_what_is_there_when_no_vector_is_new(pictures: Any) -> None:
    pictures.set_values("filepath", [f"/no/such/{i}.png" for i in range(N)])
    before = vectors(pictures)
    error = refusal(overwrite, pictures, Model())
    assert "left as they were" in error.what
    assert vectors(pictures) == before
    assert not any("replaced" in name for name in pictures.get_field_schema())


def test_a_users_field_is_never_taken_for_the_one_beside(pictures: Any) -> None:
    pictures.add_sample_field("vec_being_replaced", fo.StringField)
    pictures.set_values("vec_being_replaced", ["mine"] * N)
    before = documents(pictures)
    error = refusal(overwrite, pictures, Model())
    assert "rename_sample_field('vec_being_replaced'" in error.fix
    assert documents(pictures) == before


def test_a_field_of_another_type_is_refused(pictures: Any) -> None:
    before = documents(pictures)
    loop = CleaningLoop(pictures, "a", "camera", test_tag=None)
    for overwrites in (False, True):
        error = refusal(loop.compute_embeddings, Model(), overwrite=overwrites)
        assert "'camera'" in error.what
        assert documents(pictures) == before


def test_a_run_of_a_user_is_never_taken_for_the_record_of_a_network(pictures: Any) -> None:
    pictures.register_run("cleaning_embedding_vec", pictures.init_run(method="mine"))
    before = documents(pictures)
    for overwrites in (False, True):
        error = refusal(overwrite, pictures, Model(), overwrite=overwrites)
        assert "rename_run('cleaning_embedding_vec'" in error.fix
        assert documents(pictures) == before


def test_a_read_only_field_of_vectors_is_refused(pictures: Any) -> None:
    field = pictures.get_field("vec")
    field.read_only = True
    field.save()
    before = documents(pictures)
    error = refusal(overwrite, pictures, Model())
    assert documents(pictures) == before
    exec(error.fix.removeprefix("Unlock it: "), {"dataset": pictures})
    assert overwrite(pictures, Model()).computed == N
