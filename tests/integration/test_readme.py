"""The README's example runs as printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.models import resnet18

from demonstration.reviewer import SimulatedReviewer

ROOT = Path(__file__).resolve().parents[2]


def test_the_sdk_example(
    digits: Any,
    label_studio: Any,
    reviewer_token: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Weights where torch looks for downloaded ones; random, as no test may use the network.
    checkpoints = tmp_path / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    torch.manual_seed(0)
    torch.save(resnet18().state_dict(), checkpoints / "resnet18-f37072fd.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("LABEL_STUDIO_URL", label_studio.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", label_studio.admin_token)
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    digits.dataset.name = "my-images"

    # Reviewers answer between push and pull.
    before, after = example.split("print(loop.pull_reviews(server))")
    names: dict[str, Any] = {}
    exec(before, names)
    reviewer = SimulatedReviewer(
        label_studio.url,
        reviewer_token,
        digits.truth,
        rival=names["pair"].rival,
        dataset_id=str(digits.dataset._doc.id),
        label_field="ground_truth",
        n_classes=3,
    )
    reviewer.answer_round(names["loop"].rounds.load(1).project["id"])
    exec("print(loop.pull_reviews(server))" + after, names)

    printed = capsys.readouterr().out
    assert "320 embeddings computed by resnet18" in printed
    assert "Round 1" in printed
    assert "50 new answers" in printed
    assert "AUROC after round 1" in printed
    assert len(names["view"]) <= 50
