r"""The App on a large dataset, in a real browser: the panel, and a review by the page.

    scripts/bench panel --json panel.json
    scripts/bench panel --samples 1000000 --json panel-million.json

Made-up vectors in four classes, one small image for all samples, no Label Studio. A few thousand
samples are scored, and the others are copies of them. Some rounds are closed before.

The panel is opened, closed and opened again; the first opening also loads the App's code and is
told apart. Then its button "Refresh". A round that is open in the App is reviewed by the page, by
the use cases alone (`page.commit_seconds`, `page.next_seconds`) and in the browser: seconds from
the click on "Save this page" until the next page's thumbnails are there (`page.shown_seconds`).
Last, the seconds that the plugin adds to a registry build of FiftyOne, which every request of the
App's may ask for.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _measure import write_json
from _options import parse

ROOT = Path(__file__).resolve().parents[2]
CLASSES = ("cat", "dog", "fox", "wolf")
DIMENSIONS = 64
SCORED = 4_000  # samples; more are copies of them
INSERTED = 10_000  # documents at once
WINDOW = {"width": 1500, "height": 1040}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=50_000, help="(%(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="openings, pages (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="closed before (%(default)s)")
    parser.add_argument("--page", type=int, default=24, help="images on a page (%(default)s)")
    args = parse(parser, database=True, samples=200, repeats=1, rounds=1, page=6)

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        dataset = make_dataset(args.samples, folder)
        try:
            report = {"samples": args.samples, "rounds": args.rounds}
            report["push_seconds"] = review_rounds(dataset, args.rounds)
            report |= in_the_browser(dataset, folder, args.repeats, args.page)
        finally:
            dataset.delete()
        report["registry"] = registry(folder, args.repeats)
    page = report["page"]
    print(
        f"{args.samples} samples, {args.rounds} rounds: first opening "
        f"{report['first_seconds']:.2f} s, then {report['median_seconds']:.2f} s (of which the "
        f"server's work {report['server_seconds']:.2f} s); an event {report['event_seconds']:.2f} "
        f"s, largest {report['largest_event_bytes']} bytes; page of {args.page}: commit "
        f"{page['commit_seconds']:.2f} s, next {page['next_seconds']:.2f} s, on screen after "
        f"{page['shown_seconds']:.2f} s; "
        f"registry build +{1000 * report['registry']['added_seconds']:.1f} ms"
    )
    write_json(args.json, report)


def make_dataset(n: int, folder: Path) -> Any:
    """Scored and evaluated samples: the panel shows its charts."""
    import fiftyone as fo
    from PIL import Image

    from coreset_cleaning import CleaningLoop
    from coreset_cleaning.app.confusion import save_confusion

    rng = np.random.default_rng(0)
    scored = min(n, SCORED)
    centers = rng.standard_normal((len(CLASSES), DIMENSIONS))
    true = rng.integers(0, len(CLASSES), scored)
    given = np.where(rng.random(scored) < 0.05, (true + 1) % len(CLASSES), true)
    noise = 2 * rng.standard_normal((scored, DIMENSIONS))
    vectors = (centers[true] + noise).astype(np.float32)
    image = folder / "image.png"
    Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(image)
    dataset = fo.Dataset(persistent=True)  # another process shows it
    dataset.add_sample_field("resnet18_embedding", fo.VectorField)
    dataset.add_samples(
        fo.Sample(
            filepath=str(image),
            ground_truth=fo.Classification(label=CLASSES[label]),
            resnet18_embedding=vector,
            tags=["test" if i % 10 == 0 else "train"],
        )
        for i, (label, vector) in enumerate(zip(given, vectors, strict=True))
    )
    loop = CleaningLoop(dataset)
    loop.compute_importance()
    save_confusion(dataset, "ground_truth", loop.find_confused_pair())
    loop.evaluate_round()
    insert_copies(dataset, n - scored, rng)
    return dataset


def insert_copies(dataset: Any, n: int, rng: np.random.Generator) -> None:
    """Add copies of a dataset's samples: FiftyOne's own way takes 0.7 ms a sample."""
    from bson import ObjectId

    collection = dataset._sample_collection
    originals = list(collection.find())
    labels = [name for name, value in originals[0].items() if isinstance(value, dict)]
    labels = [name for name in labels if "_id" in originals[0][name]]
    for start in range(0, n, INSERTED):
        copies = []
        for i in range(start, min(n, start + INSERTED)):
            copy = dict(originals[i % len(originals)])
            copy |= {name: {**copy[name], "_id": ObjectId()} for name in labels if copy[name]}
            # Of equal importances a queue would be in the order of the ids.
            if copy.get("coreset_importance"):
                copy["coreset_importance"] *= float(rng.uniform(0.5, 1))
            copies.append({**copy, "_id": ObjectId(), "_rand": float(rng.random())})
        collection.insert_many(copies, ordered=False)


def review_rounds(dataset: Any, n: int) -> list[float]:
    """Answer rounds of 50 by a script; return the seconds that each push took."""
    from coreset_cleaning import AppDesk, CleaningLoop

    loop, seconds = CleaningLoop(dataset), []
    for _ in range(n):
        begin = time.perf_counter()
        pushed = loop.push_round(AppDesk(), n=50, controls=5, scope="dataset")
        seconds.append(time.perf_counter() - begin)
        batch = loop.rounds.load(pushed.round).batch
        loop.record_verdicts(
            {
                item.sample_id: "keep" if k % 3 else ("relabel", item.suggested_label)
                for k, item in enumerate(batch)
            }
        )
    return seconds


def in_the_browser(dataset: Any, folder: Path, repeats: int, size: int) -> dict[str, Any]:
    """Open panel and pages in a browser; what a page takes without one is measured, too."""
    from chromium import open_browser
    from fiftyone_app import ReviewGrid, serve_app

    with open_browser() as browser, serve_app(folder / "app") as url:
        page = browser.new_page(viewport=WINDOW)
        page.set_default_timeout(120_000)
        grid = ReviewGrid(page, url)
        return {
            **panel(grid, dataset.name, repeats),
            "page": {**pages(dataset, repeats, size), **pages_shown(grid, dataset, repeats, size)},
        }


def panel(grid: Any, name: str, repeats: int) -> dict[str, Any]:
    """Open the panel, close it, and open it again; then press its button "Refresh"."""
    seconds, events, server = [], [], []
    app, page = grid.app, grid.page
    page.on("requestfinished", lambda request: server.append(_waited(request)))
    page.goto(f"{app.url}/datasets/{name}")
    page.wait_for_selector("[data-cy=fo-grid]")
    for _ in range(repeats + 1):
        page.locator("[data-cy=new-panel-btn]").first.click()
        option = page.locator("[data-cy='new-panel-option-label_cleaning']")
        option.wait_for()
        server.clear()
        begin = time.perf_counter()
        option.click()
        app.panel.locator(".js-plotly-plot").first.wait_for()
        seconds.append(time.perf_counter() - begin)
        if len(seconds) <= repeats:
            close_panel(app)
    opened = max(server, default=0.0)
    for _ in range(repeats):
        with page.expect_event("requestfinished", lambda r: _waited(r) > 0) as finished:
            app.panel.get_by_role("button", name="Refresh").click()
        events.append(_waited(finished.value))
    close_panel(app)
    return {
        "first_seconds": seconds[0],
        "median_seconds": statistics.median(seconds[1:]),
        "all_seconds": seconds,
        "server_seconds": opened,
        "event_seconds": statistics.median(events),
        "all_event_seconds": events,
        "largest_event_bytes": app.largest_event,
    }


def close_panel(app: Any) -> None:
    """Close the panel: the buttons above a narrow grid are covered by its zoom."""
    close = "[data-cy='panel-tab-close-label_cleaning'], [title='Close']"
    app.page.locator(close).last.click()
    app.panel.wait_for(state="hidden")


def pages(dataset: Any, repeats: int, size: int) -> dict[str, Any]:
    """Answer pages by the use cases alone, each as the App does: with a loop of its own."""
    from coreset_cleaning import AppDesk, CleaningLoop
    from coreset_cleaning.core.review.grid import Mark

    CleaningLoop(dataset).push_round(
        AppDesk(), n=size * (2 * repeats + 2), controls=5, scope="dataset"
    )
    commits, nexts = [], []
    label_ids = CleaningLoop(dataset).next_page(size).label_ids
    for _ in range(repeats):
        begin = time.perf_counter()
        marks = dict.fromkeys(label_ids[::4], Mark.SUGGESTION)
        CleaningLoop(dataset).commit_page(label_ids, marks, seconds=30)
        commits.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        label_ids = CleaningLoop(dataset).next_page(size).label_ids
        nexts.append(time.perf_counter() - begin)
    return {
        "commit_seconds": statistics.median(commits),
        "all_commit_seconds": commits,
        "next_seconds": statistics.median(nexts),
    }


def pages_shown(grid: Any, dataset: Any, repeats: int, size: int) -> dict[str, Any]:
    """Go on with the round in the App; return how long the next page takes to be there."""
    from coreset_cleaning import CleaningLoop

    loop, seconds = CleaningLoop(dataset), []
    grid.open(dataset.name)
    grid.begin(Images_on_a_page=size)
    page = loop.next_page(size)
    order = [item.sample_id for item in loop.rounds.load(page.round).batch]
    order = order[order.index(page.label_ids[0]) :]
    for number in range(repeats + 1):
        ids = order[number * size : (number + 1) * size]
        if number:
            begin = time.perf_counter()
            grid.save()
        grid.wait_for_page(f"Page {page.number + number} of {page.of}", ids)
        if number:
            seconds.append(time.perf_counter() - begin)
        else:
            for label_id in ids[:4]:
                grid.mark(label_id)
    return {"shown_seconds": statistics.median(seconds), "all_shown_seconds": seconds}


def _waited(request: Any) -> float:
    """Seconds until the first byte of an event's answer."""
    if not request.url.endswith("/operators/execute"):
        return 0.0
    return float(request.timing["responseStart"] - request.timing["requestStart"]) / 1000


def registry(folder: Path, repeats: int) -> dict[str, float]:
    """Seconds of a registry build without and with this plugin, once modules are loaded."""
    code = (
        "import sys, time, statistics, fiftyone.plugins.context as c\n"
        "c.build_plugin_contexts()\n"
        "times = []\n"
        f"for _ in range({4 * repeats}):\n"
        "    begin = time.perf_counter(); c.build_plugin_contexts()\n"
        "    times.append(time.perf_counter() - begin)\n"
        "print(statistics.median(times))\n"
    )
    medians = []
    for name, link in (("without", False), ("with", True)):
        plugins = folder / f"plugins-{name}"
        plugins.mkdir()
        if link:
            (plugins / "label-cleaning").symlink_to(ROOT, target_is_directory=True)
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "FIFTYONE_PLUGINS_DIR": str(plugins)},
            capture_output=True,
            text=True,
            check=True,
        )
        medians.append(float(done.stdout.splitlines()[-1]))
    return {"without": medians[0], "with": medians[1], "added_seconds": medians[1] - medians[0]}


if __name__ == "__main__":
    main()
