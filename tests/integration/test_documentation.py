"""README, pages and tutorial run as printed, on a real database and a real Label Studio server.

The Python blocks of a page run one after another in one namespace. README and quickstart begin with
nothing; the other pages with `fo`, `CleaningLoop`, `dataset`, `server`, and a `loop` that is scored
and has one reviewed round. A block that can't run here says why in a comment right above it:
`<!-- not run: reason -->`.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient
from PIL import Image
from torchvision.models import resnet18

from coreset_cleaning import CleaningLoop
from coreset_cleaning.cli import main
from demonstration.reviewer import SimulatedReviewer
from support.answers import project_of

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"(<!-- not run: \S[^>]*-->\n+)?^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
NAME = "my-images"
N_PHOTOS = 120  # each goes through a real ResNet18
FROM_NOTHING = ("README.md", "quickstart.md")


def blocks(page: Path) -> list[str]:
    """Return a page's Python blocks, without those that say why they can't run."""
    return [code for excuse, code in BLOCK.findall(page.read_text()) if not excuse]


PAGES = [p for p in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if blocks(p)]


@dataclass
class Reader:
    """Does what a page says, with a reviewer who answers before every pull."""

    label_studio: Any
    reviewer_token: str

    def run(self, code: str, namespace: dict[str, Any]) -> None:
        for statement in ast.parse(code).body:
            if re.search("pull_reviews|wait_for_reviews", ast.unparse(statement)):
                self.answer()
            exec(compile(ast.Module([statement], []), "page", "exec"), namespace)

    def call(self, line: str) -> int:
        if line.startswith("coreset-cleaning pull"):
            self.answer()
        return main(shlex.split(line)[1:])

    def answer(self) -> None:
        import fiftyone as fo

        loop = CleaningLoop(fo.load_dataset(NAME))
        rival = loop.rounds.all()[-1].rival
        # The true class is in the file's name.
        paths = loop.samples.column("filepath")
        SimulatedReviewer(
            self.label_studio.url,
            self.reviewer_token,
            {i: Path(path).stem.partition("-")[0] for i, path in paths.items()},
            rival=rival,
            dataset_id=loop.samples.dataset_id,
            label_field="ground_truth",
            n_classes=3,
        ).answer_round(project_of(loop))


@pytest.fixture
def reader(
    label_studio: Any, reviewer_token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Reader]:
    """A reader in an empty folder, with both variables set and weights at hand."""
    import fiftyone as fo

    assert not fo.dataset_exists(NAME)  # it is deleted below
    # Weights where torch looks for downloaded ones; random, as no test may use the network.
    checkpoints = tmp_path / "torch" / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    torch.manual_seed(0)
    torch.save(resnet18().state_dict(), checkpoints / "resnet18-f37072fd.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("LABEL_STUDIO_URL", label_studio.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", label_studio.admin_token)
    monkeypatch.chdir(tmp_path)
    # The plugin is installed, as a link to this checkout.
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "label-cleaning").symlink_to(ROOT)
    monkeypatch.setattr(fo.config, "plugins_dir", str(tmp_path / "plugins"))
    yield Reader(label_studio, reviewer_token)
    if fo.dataset_exists(NAME):
        fo.delete_dataset(NAME)


@pytest.fixture
def photos(digit_files: list[Any], tmp_path: Path) -> Path:
    """A folder with one subfolder a class; one image in eight is in the wrong one."""
    folder = tmp_path / "photos"
    for index, (path, label, _) in enumerate(digit_files[:N_PHOTOS]):
        wrong = {"3": "8", "8": "9", "9": "3"}[label]
        target = folder / (wrong if index % 8 == 0 else label) / f"{label}-{index:04d}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.open(path).save(target)
    return folder


@pytest.fixture
def my_images(photos: Path, reader: Reader) -> Callable[[], Any]:
    """Make the dataset that most pages take as given."""
    import fiftyone as fo

    def make() -> Any:
        dataset = fo.Dataset.from_dir(
            str(photos), dataset_type=fo.types.ImageClassificationDirectoryTree, name=NAME
        )
        dataset.take(N_PHOTOS // 5, seed=0).tag_samples("test")
        return dataset

    return make


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_python_blocks_run_in_order(
    page: Path, reader: Reader, my_images: Callable[[], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    import fiftyone as fo

    namespace: dict[str, Any] = {}
    if page.name != "quickstart.md":  # which imports the photos itself
        dataset = my_images()
    if page.name not in FROM_NOTHING:
        if "compute_embeddings" in "".join(blocks(page)):
            CleaningLoop(dataset).compute_embeddings()
        else:  # the same for the page, at no cost
            pixels = [digit_pixels(path) for path in dataset.values("filepath")]
            dataset.set_values("resnet18_embedding", pixels)
        namespace = {"fo": fo, "dataset": dataset}
        reader.run(BEFORE, namespace)
    for block in blocks(page):
        reader.run(block, namespace)
    if "session" in namespace:
        namespace["session"].close()
    if page.name in FROM_NOTHING:
        printed = capsys.readouterr().out
        for expected in ("embeddings computed by resnet18", "Round 1", "AUROC after round 1"):
            assert expected in printed
        assert re.search(r"[1-9]\d* new answers", printed)


def digit_pixels(path: str) -> np.ndarray:
    return np.asarray(Image.open(path).convert("L").resize((8, 8)), dtype=np.float32).ravel()


BEFORE = """
from coreset_cleaning import CleaningLoop, LabelStudioServer

server = LabelStudioServer()
loop = CleaningLoop(dataset)
loop.compute_importance()
loop.push_round(server, n=10, controls=2)
loop.pull_reviews(server)
"""


def test_commands_run_in_order(
    reader: Reader, my_images: Callable[[], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Those of the quickstart, then those of README as a second round."""
    text = (ROOT / "docs/quickstart.md").read_text() + (ROOT / "README.md").read_text()
    sessions = re.findall(r"^```\n(coreset-cleaning embed.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(sessions) == 2
    my_images()
    for line in "".join(sessions).splitlines():
        code = reader.call(line)
        stop = code == 3 and line.startswith("coreset-cleaning evaluate")
        assert code == 0 or stop, f"{line}: {capsys.readouterr().err}"
    printed = capsys.readouterr().out
    assert "AUROC after round 1" in printed
    assert "AUROC after round 2" in printed


def test_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The kernel's sockets are of this machine; it would warn that they are not encrypted.
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = nbformat.read(ROOT / "docs" / "tutorial.ipynb", as_version=4)
    NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(ROOT / "docs")}}
    ).execute()
    printed = "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])
    )
    found, reviewed = map(int, re.search(r"(\d+) of (\d+) wrong: ", printed).groups())
    # A tenth of all labels is wrong; a queue that is no better than chance finds no more.
    assert found >= 0.3 * reviewed
    assert "144 labels are wrong again" in printed
    found, reviewed = map(int, re.search(r"objects: (\d+) of (\d+) classes", printed).groups())
    assert found >= 0.4 * reviewed  # of all, a tenth
