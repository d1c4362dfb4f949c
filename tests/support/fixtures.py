"""Fixtures of all tests. Nothing is made before a test asks for it.

A Label Studio server starts in some ten seconds and a scored dataset takes one, so there is one
server for each worker, and one scored dataset of each kind of which every test gets a clone. A test
that kills or restarts a server starts one itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .database import start_database

if TYPE_CHECKING:
    from coreset_cleaning import CleaningLoop, LabelStudioServer
    from label_studio_server import LabelStudioProcess

    from .digits import DigitImage, Digits


# Folders whose tests need a database.
WITH_DATABASE = ("browser", "contract", "integration")


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Start the database before the first test file is imported that needs it."""
    if isinstance(collector, pytest.Directory) and collector.name in WITH_DATABASE:
        start_database(collector.config)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put short tests last, so that no worker is left alone with a long one.

    pytest-xdist gives each worker the next file, in this order.
    """
    items.sort(key=lambda item: not {*WITH_DATABASE} & {*item.path.parts})


# ---- Label Studio


@pytest.fixture(scope="session")
def label_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudioProcess]:
    """A running server that may serve the local files of its `document_root`, a symbolic link."""
    from label_studio_server import LabelStudioProcess

    home = tmp_path_factory.mktemp("label-studio")
    (home / "disk").mkdir()
    root = home / "images"
    root.symlink_to(home / "disk")
    with LabelStudioProcess(home / "data", document_root=root) as process:
        yield process


@pytest.fixture(scope="session")
def server(label_studio: LabelStudioProcess) -> LabelStudioServer:
    """The connection of the administrator."""
    from coreset_cleaning import LabelStudioServer

    return LabelStudioServer(label_studio.url, label_studio.admin_token)


@pytest.fixture(scope="session")
def reviewer_token(label_studio: LabelStudioProcess) -> str:
    """The key of somebody who only reviews."""
    return label_studio.add_user("reviewer@example.com")


# ---- digits


@pytest.fixture(scope="session")
def digit_files(tmp_path_factory: pytest.TempPathFactory) -> list[DigitImage]:
    """Images of threes, eights and nines."""
    from . import digits

    folder = tmp_path_factory.mktemp("digits")
    return digits.write_images(folder, digits.THREE, digits.N_TRAIN + digits.N_TEST)


@pytest.fixture(scope="session")
def three_classes(digit_files: list[DigitImage]) -> Iterator[Digits]:
    """The template of `digits`: never to be changed."""
    from . import digits

    template = digits.make_three_classes(digit_files)
    yield template
    template.dataset.delete()


@pytest.fixture(scope="session")
def three_classes_scored(three_classes: Digits) -> Iterator[Digits]:
    """The template of `loop`: never to be changed."""
    from coreset_cleaning import CleaningLoop

    template = three_classes.clone()
    CleaningLoop(template.dataset, embeddings_field="pixels").compute_importance()
    yield template
    template.dataset.delete()


@pytest.fixture
def digits(request: pytest.FixtureRequest) -> Iterator[Digits]:
    """240 training images, 15 % of them labeled as another class, and 80 right test images.

    Scored where the test has a `loop`, too.
    """
    scored = "loop" in request.fixturenames
    template = request.getfixturevalue("three_classes_scored" if scored else "three_classes")
    clone = template.clone()
    yield clone
    clone.dataset.delete()


@pytest.fixture
def loop(digits: Digits) -> CleaningLoop:
    """The loop on `digits`, scored."""
    from coreset_cleaning import CleaningLoop

    return CleaningLoop(digits.dataset, "ground_truth", "pixels", test_tag="test")


@pytest.fixture(scope="session")
def confused_template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Digits]:
    """The template of `confused_digits`: never to be changed."""
    from . import digits

    folder = tmp_path_factory.mktemp("confused-digits")
    images = digits.write_images(folder, digits.CONFUSED, digits.N_CONFUSED)
    template = digits.make_confused(images)
    yield template
    template.dataset.delete()


@pytest.fixture
def confused_digits(confused_template: Digits) -> Iterator[Digits]:
    """400 ones, eights, threes and fives, some of them mixed up; no embeddings."""
    clone = confused_template.clone()
    yield clone
    clone.dataset.delete()


@pytest.fixture(scope="session")
def confused_scored_template(confused_template: Digits) -> Iterator[Digits]:
    """The template of `confused_scored`: never to be changed."""
    from coreset_cleaning import CleaningLoop

    from .digits import add_embeddings

    template = confused_template.clone()
    add_embeddings(template)
    CleaningLoop(template.dataset).compute_importance()
    yield template
    template.dataset.delete()


@pytest.fixture
def confused_scored(confused_scored_template: Digits) -> Iterator[Digits]:
    """The same with embeddings and scores, all fields named as by default."""
    clone = confused_scored_template.clone()
    yield clone
    clone.dataset.delete()


# ---- networks


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a state dict of a ResNet18 that has learned nothing."""
    import torch
    from torchvision import models

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(models.resnet18(weights=None).state_dict(), path)
    return path
