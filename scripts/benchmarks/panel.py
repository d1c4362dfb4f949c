r"""The panel on a large dataset, in a real browser: seconds until it shows, bytes of its events.

    scripts/bench panel --json panel.json

Made-up vectors in four classes, one small image for all samples, no Label Studio. The panel is
opened, closed and opened again; the first opening also loads the App's code and is told apart.
Then the seconds that the plugin adds to a registry build of FiftyOne, which every request of the
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=50_000, help="(%(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="openings (%(default)s)")
    args = parse(parser, database=True, samples=200, repeats=1)

    with tempfile.TemporaryDirectory() as temporary:
        dataset = make_dataset(args.samples, Path(temporary))
        try:
            report = {
                "samples": args.samples,
                **opening(dataset.name, Path(temporary), args.repeats),
            }
        finally:
            dataset.delete()
        report["registry"] = registry(Path(temporary), args.repeats)
    print(
        f"{args.samples} samples: first opening {report['first_seconds']:.2f} s, then "
        f"{report['median_seconds']:.2f} s (of which the server's work "
        f"{report['server_seconds']:.2f} s); largest event {report['largest_event_bytes']} bytes; "
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
    centers = rng.standard_normal((len(CLASSES), DIMENSIONS))
    true = rng.integers(0, len(CLASSES), n)
    given = np.where(rng.random(n) < 0.05, (true + 1) % len(CLASSES), true)
    vectors = (centers[true] + 2 * rng.standard_normal((n, DIMENSIONS))).astype(np.float32)
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
    return dataset


def opening(name: str, folder: Path, repeats: int) -> dict[str, Any]:
    """Open the panel in a browser, close it, and open it again."""
    from chromium import open_browser
    from fiftyone_app import AppPage, serve_app

    seconds, server = [], []
    with open_browser() as browser, serve_app(folder / "app") as url:
        page = browser.new_page(viewport={"width": 1500, "height": 1040})
        page.set_default_timeout(120_000)
        app = AppPage(page, url)
        page.on("requestfinished", lambda request: server.append(_waited(request)))
        page.goto(f"{url}/datasets/{name}")
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
            page.locator("[data-cy='panel-tab-close-label_cleaning'], [title='Close']").last.click()
            app.panel.wait_for(state="hidden")
    return {
        "first_seconds": seconds[0],
        "median_seconds": statistics.median(seconds[1:]),
        "all_seconds": seconds,
        "server_seconds": max(server, default=0.0),
        "largest_event_bytes": app.largest_event,
    }


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
