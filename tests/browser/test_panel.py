"""The panel in a real Chromium, from a scored dataset through a whole round with Label Studio."""

from __future__ import annotations

import os
import re
from pathlib import Path

import fiftyone as fo
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright
from sklearn.datasets import load_digits

from coreset_cleaning import CleaningLoop
from coreset_cleaning.desks.labelstudio.config import answer_result
from fiftyone_app import CHROMIUM, CHROMIUM_FLAGS, AppPage, serve_app
from label_studio_server import LabelStudioProcess

CONFUSED = {1: 8, 8: 1, 3: 5, 5: 3}
LARGEST_EVENT = 200_000


@pytest.fixture(scope="module")
def label_studio(tmp_path_factory):
    with LabelStudioProcess(tmp_path_factory.mktemp("label-studio") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def app_url(tmp_path_factory, label_studio):
    fo.list_datasets()  # the database runs before the App's server looks for it
    with serve_app(
        tmp_path_factory.mktemp("app"),
        FIFTYONE_DATABASE_DIR=os.environ["FIFTYONE_DATABASE_DIR"],
        LABEL_STUDIO_URL=label_studio.url,
        LABEL_STUDIO_API_KEY=label_studio.admin_token,
    ) as url:
        yield url


@pytest.fixture(scope="module")
def browser():
    assert Path(CHROMIUM).exists(), f"Chromium is needed at {CHROMIUM}: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def app(browser, app_url):
    page = browser.new_page(viewport={"width": 1500, "height": 1400})
    page.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)
    yield AppPage(page, app_url)
    page.close()


@pytest.fixture
def dataset(tmp_path):
    """Scored digits with some wrong labels; the pixels are the embeddings."""
    pixels, digits = load_digits(return_X_y=True)
    random = np.random.default_rng(0)
    dataset = fo.Dataset(persistent=True)
    dataset.add_sample_field("resnet18_embedding", fo.VectorField)
    samples = []
    for i in np.flatnonzero(np.isin(digits, list(CONFUSED)))[:400]:
        path = tmp_path / f"{i}.png"
        small = Image.fromarray((255 - 15 * pixels[i].reshape(8, 8)).astype(np.uint8))
        small.resize((64, 64)).save(path)
        test = random.random() < 0.3
        wrong = not test and random.random() < 0.1
        sample = fo.Sample(
            filepath=str(path),
            ground_truth=fo.Classification(
                label=f"digit {CONFUSED[digits[i]] if wrong else digits[i]}"
            ),
            tags=["test" if test else "train"],
        )
        sample["true_digit"] = f"digit {digits[i]}"
        sample["resnet18_embedding"] = pixels[i].astype(np.float32)
        samples.append(sample)
    dataset.add_samples(samples)
    CleaningLoop(dataset).compute_importance()
    yield dataset
    dataset.delete()


def answer_all(server, dataset):
    true = dict(zip(*dataset.values(["id", "true_digit"]), strict=True))
    given = dict(zip(*dataset.values(["id", "ground_truth.label"]), strict=True))
    token = server.admin_token
    for project in server.request("GET", "/api/projects/", token)["results"]:
        path = f"/api/tasks/?project={project['id']}&page_size=500&fields=all"
        for task in server.request("GET", path, token)["tasks"]:
            sample_id = task["data"]["push_key"].rsplit(":", 1)[1]
            if sample_id in true and not task["total_annotations"]:
                right = true[sample_id] == given[sample_id]
                result = answer_result(
                    "keep" if right else "relabel", None if right else true[sample_id], n_classes=4
                )
                path = f"/api/tasks/{task['id']}/annotations/"
                server.request("POST", path, token, {"result": result})


def test_a_full_round(app, dataset, label_studio):
    labels = dataset.values("ground_truth.label")
    app.open(dataset.name)
    entries = app.page.locator("[data-cy=entry-counts]")
    expect(entries).to_have_text(re.compile("400 samples"))

    said = app.run("Find confused classes", "Class of interest")
    cls, rival = re.search(r"Class of interest: (digit \d) \(rival (digit \d)\)", said).groups()
    expect(app.panel).to_contain_text(f"is taken for “{cls}”")

    classes = sorted(set(labels))
    app.click_cell(classes.index(cls), classes.index(rival), len(classes))
    queued = CleaningLoop(dataset).queue_view(cls)
    expect(entries).to_have_text(re.compile(rf"\b{len(queued)} samples"))

    app.run("Push round 1", "12 tasks sent", Samples=12)
    expect(app.panel).to_contain_text("Round 1 is in review")
    link = app.panel.get_by_role("link", name="Open Label Studio")
    expect(link).to_have_attribute("href", re.compile(re.escape(label_studio.url)))

    answer_all(label_studio, dataset)
    app.run("Pull reviews", "12 of 12 answered")
    expect(app.panel).to_contain_text("Round 1 is answered")

    charts = app.panel.locator(".js-plotly-plot")
    expect(charts).to_have_count(3)  # confusion, yield, verdicts
    dataset.reload()
    now = dataset.values("ground_truth.label")
    found = sum(new != old for new, old in zip(now, labels, strict=True))
    assert found
    assert app.chart("Yield of the budget")["y"] == [0, found]

    app.run("Evaluate", "AUROC after round 1")
    expect(app.panel).to_contain_text("AUROC, pair")
    expect(charts).to_have_count(4)
    assert app.chart("AUROC, pair")["x"] == [1]

    row = app.panel.locator("table tbody tr").first
    row.get_by_role("button").last.click()
    app.page.mouse.move(1, 1)  # off the button, whose tooltip would lie over the menu
    app.page.get_by_role("menuitem", name="Undo").click()
    app.execute("Round 1 undone")
    expect(row).to_contain_text("undone")
    assert dataset.values("ground_truth.label") == labels
    expect(charts).to_have_count(2)  # an undone round has decided nothing
    print(f"largest event: {app.largest_event / 1000:.0f} kB")
    assert app.largest_event < LARGEST_EVENT


def test_the_button_above_the_grid_opens_the_panel(app, dataset):
    app.page.goto(f"{app.url}/datasets/{dataset.name}")
    app.page.wait_for_selector("[data-cy=fo-grid]")
    app.page.locator("[data-cy=fo-grid-actions]").get_by_text("cleaning_services").click()
    expect(app.panel).to_contain_text("Which class to clean?")


def test_a_dataset_without_labels(app, tmp_path):
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    empty = fo.Dataset(persistent=True)
    empty.add_sample(fo.Sample(filepath=str(tmp_path / "a.png")))
    try:
        app.open(empty.name)
        expect(app.panel).to_contain_text("no labels to clean")
    finally:
        empty.delete()


def test_an_error_is_shown_as_words(app, dataset):
    app.open(dataset.name)
    dataset.clear_sample_field("resnet18_embedding")
    app.panel.get_by_role("button", name="Find confused classes", exact=True).click()
    app.form.get_by_role("button", name="Execute").click()
    expect(app.form).to_contain_text("Compute the embeddings first")
