"""The panel in a real Chromium, from a scored dataset through a whole round with Label Studio."""

from __future__ import annotations

import re

import fiftyone as fo
import pytest
from PIL import Image
from playwright.sync_api import expect

from chromium import open_browser
from coreset_cleaning import CleaningLoop, LabelStudioServer
from fiftyone_app import AppPage, overhang, serve_app
from support.answers import answer_truly, project_of
from support.digits import TRUE_DIGIT

LARGEST_EVENT = 200_000


@pytest.fixture(scope="module")
def app_url(tmp_path_factory, label_studio):
    with serve_app(
        tmp_path_factory.mktemp("app"),
        LABEL_STUDIO_URL=label_studio.url,
        LABEL_STUDIO_API_KEY=label_studio.admin_token,
    ) as url:
        yield url


@pytest.fixture(scope="module")
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture
def app(browser, app_url):
    page = browser.new_page(viewport={"width": 1500, "height": 1400})
    page.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)
    yield AppPage(page, app_url)
    page.close()


@pytest.fixture
def dataset(confused_scored):
    """Scored digits with some wrong labels; the pixels are the embeddings."""
    confused_scored.dataset.persistent = True  # another process shows it
    return confused_scored.dataset


def answer_all(server, dataset):
    true = dict(zip(*dataset.values(["id", TRUE_DIGIT]), strict=True))
    project = project_of(CleaningLoop(dataset))
    answer_truly(LabelStudioServer(server.url, server.admin_token), project, true, 4)


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

    # The plan proposes what has the most to find, and the button fills that in.
    expect(app.panel).to_contain_text("Review the whole dataset")
    expect(app.panel).to_contain_text("Wrong among the next")
    app.run("Push round 1", "12 tasks sent", Samples=12)
    assert CleaningLoop(dataset).history()[0]["scope"] == "dataset"
    expect(app.panel).to_contain_text("Round 1 is in review")
    link = app.panel.get_by_role("link", name="Open Label Studio")
    expect(link).to_have_attribute("href", re.compile(re.escape(label_studio.url)))

    answer_all(label_studio, dataset)
    app.run("Pull reviews", "12 of 12 answered")
    expect(app.panel).to_contain_text("Round 1 is answered")

    charts = app.panel.locator(".js-plotly-plot")
    expect(charts).to_have_count(4)  # confusion, yield, importance, verdicts
    dataset.reload()
    now = dataset.values("ground_truth.label")
    found = sum(new != old for new, old in zip(now, labels, strict=True))
    assert found
    assert app.chart("Yield of the budget")["y"] == [0, found]

    app.run("Evaluate", "AUROC after round 1")
    expect(app.panel).to_contain_text("AUROC, all classes")
    expect(charts).to_have_count(5)
    assert app.chart("AUROC, all classes")["x"] == [1]
    assert overhang(app.panel) <= 0

    row = app.panel.locator("table").last.locator("tbody tr").first  # above it is the plan
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
