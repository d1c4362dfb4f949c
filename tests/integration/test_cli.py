"""The command line: the same use cases, exit codes, and words for what is wrong."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fiftyone as fo
import numpy as np
import pytest
from PIL import Image

from coreset_cleaning import AppDesk, CleaningLoop
from coreset_cleaning.app.panel import facts
from coreset_cleaning.cli import command_line_parser, main
from coreset_cleaning.cli.output import to_json
from demonstration.reviewer import SimulatedReviewer


@pytest.fixture
def name(digits: Any, label_studio: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LABEL_STUDIO_URL", label_studio.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", label_studio.admin_token)
    return str(digits.dataset.name)


@pytest.fixture
def noise(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make libraries print: through Python, through a log handler on stdout, and below Python."""
    handler = logging.StreamHandler(sys.stdout)
    logger = logging.getLogger("fiftyone")
    find = fo.dataset_exists

    def print_and_find(name: str) -> bool:
        print("printed")
        os.write(1, b"written\n")
        logger.warning("logged")
        return bool(find(name))

    monkeypatch.setattr(fo, "dataset_exists", print_and_find)
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)


def document(text: str) -> Any:
    """Parse what is on stdout; NaN and Infinity are not JSON."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, Any]:
    code = main([*args, "--json"])
    return code, document(capsys.readouterr().out)


def commands() -> set[str]:
    (found,) = (
        a for a in command_line_parser()._actions if isinstance(a, argparse._SubParsersAction)
    )
    return set(found.choices)


def test_a_round_by_commands(
    name: str,
    digits: Any,
    label_studio: Any,
    reviewer_token: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    noise: None,
) -> None:
    own = ("--embeddings-field", "pixels")
    called = {"embed", "close"}  # in tests of their own

    def run(capfd: pytest.CaptureFixture[str], *args: str) -> tuple[int, Any]:
        called.add(args[0])
        code = main([*args, "--json"])
        out, err = capfd.readouterr()
        assert args[0] == "install-plugin" or {"printed", "written"} <= set(err.splitlines())
        return code, document(out)

    capsys = capfd
    assert run(capsys, "score", name, *own)[1]["samples"] == 240
    code, pair = run(capsys, "confusion", name, *own)
    assert code == 0
    assert pair["class_of_interest"] in pair["classes"]
    code, pushed = run(capsys, "push", name, *own, "-n", "10", "--controls", "2")
    assert (code, pushed["created"]) == (0, 10)
    reviewer = SimulatedReviewer(
        label_studio.url,
        reviewer_token,
        digits.truth,
        rival=pair["rival"],
        dataset_id=str(digits.dataset._doc.id),
        label_field="ground_truth",
        n_classes=3,
    )
    reviewer.answer_round(pushed["project"])
    # Everything is answered, so that watching ends at once.
    code, pulled = run(capsys, "pull", name, *own, "--watch", "1")
    assert (code, pulled["new_answers"], pulled["open_round"]) == (0, 10, None)
    code, evaluated = run(capsys, "evaluate", name, *own)
    assert (code, evaluated["round"], evaluated["continue"]) == (0, 1, True)
    code, spent = run(capsys, "evaluate", name, *own, "--budget", "10")
    assert (code, spent["continue"]) == (3, False)
    assert "budget" in spent["reasons"][0]
    assert run(capsys, "status", name, *own)[1][0]["reviewed"] == 10
    code, undone = run(capsys, "undo", name, "1", *own)
    assert code == 0
    assert run(capsys, "undo", name, "1", "--redo", *own)[1]["changed"] == undone["changed"]
    sample = loop_ids(digits)[0]
    code, one = run(capsys, "undo", name, "1", "--sample", sample, *own)
    assert (code, one["sample"], one["changed"]) == (0, sample, 1)
    assert run(capsys, "undo", name, "1", "--sample", sample, "--redo", *own)[1]["changed"] == 1
    code, yields = run(capsys, "yields", name, *own)
    assert (code, yields["budget_curve"][-1]["reviewed"]) == (0, 10)
    assert 0 <= yields["next_batch"]["low"] <= yields["next_batch"]["high"] <= 10
    code, charts = run(capsys, "charts", name, str(tmp_path / "charts"), *own)
    assert [Path(path).stem for path in charts] == ["auroc", "verdicts", "budget", "importance"]
    code, audit = run(capsys, "audit", name, str(tmp_path / "audit.jsonl"), *own)
    assert audit["events"] == 14  # ten answers, two undos, two redos
    code, exported = run(capsys, "export", name, str(tmp_path / "cleaned.csv"), *own)
    assert (code, exported["format"]) == (0, "csv")
    assert exported["exported"] > 0
    code, planned = run(capsys, "plan", name, *own)
    assert (code, planned["n_verdicts"]) == (0, 10)
    code, findings = run(capsys, "doctor", name)
    assert code == 0, findings
    assert run(capsys, "coreset", name, "20", *own)[1]["samples"] <= 20
    assert run(capsys, "proposals", name, *own)[0] == 0
    code, looped = run(capsys, "loop", name, *own, "--rounds", "0")
    assert (code, looped["continue"], looped["history"][0]["round"]) == (0, True, 1)
    plugins = ("install-plugin", "--plugins-dir", str(tmp_path / "plugins"))
    assert run(capsys, *plugins)[1]["state"] == "installed"
    assert called == commands()


MORE = {
    "charts": ["charts"],
    "undo": ["1"],
    "coreset": ["5"],
    "audit": ["audit.jsonl"],
    "export": ["cleaned.csv"],
}


@pytest.mark.parametrize("command", sorted(commands()))
def test_a_failure_is_one_json_document(
    command: str, noise: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    args = [command, "no-such-dataset", *MORE.get(command, [])]
    if command == "install-plugin":
        (tmp_path / "file").write_text("")
        args = [command, "--plugins-dir", str(tmp_path / "file")]
    assert main([*args, "--json"]) == 1
    out, err = capfd.readouterr()
    found = document(out)
    if command == "doctor":
        found = next(finding for finding in found if finding["name"] == "dataset")
        assert not found["ok"]
        assert "no-such-dataset" in found["detail"]
        return
    assert set(found) == {"error", "what", "fix", "message"}
    assert found["message"] == f"{found['what']} {found['fix']}"
    assert found["what"] in err
    assert f"fix: {found['fix']}" in err


def test_a_failure_that_nobody_foresaw_is_json_too(
    name: str, noise: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(self: CleaningLoop) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr(CleaningLoop, "history", fail)
    with pytest.raises(RuntimeError, match="out of luck"):
        main(["status", name, "--json"])
    found = document(capfd.readouterr().out)
    assert (found["error"], found["what"]) == ("RuntimeError", "out of luck")


def test_unknown_and_unbounded_numbers_are_null() -> None:
    value = {
        "a": float("nan"),
        "b": (float("inf"), 1),
        3: np.array([np.nan, 0.5]),
        "c": np.int64(2),
    }
    assert document(to_json(value)) == {"a": None, "b": [None, 1], "3": [None, 0.5], "c": 2}


def test_a_round_is_watched_for_a_while_and_closed(
    name: str, label_studio: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    own = ("--embeddings-field", "pixels")
    run(capsys, "score", name, *own)
    pushed = run(capsys, "push", name, *own, "-n", "4", "--class", "8", "--controls", "0")[1]
    watched = ("pull", name, *own, "--watch", "3600", "--timeout", "0.1")
    code, pulled = run(capsys, *watched)
    assert (code, pulled["open_round"], pulled["answered"]) == (0, 1, 0)
    code, closed = run(capsys, "close", name, *own, "--delete-tasks")
    assert (code, closed["round"], closed["tasks_deleted"], closed["tab_deleted"]) == (
        0,
        1,
        4,
        True,
    )
    path = f"/api/tasks/?project={pushed['project']}"
    assert label_studio.request("GET", path, label_studio.admin_token)["total"] == 0
    assert main(["close", name, *own]) == 1
    assert "has no open round" in capsys.readouterr().err
    run(capsys, "push", name, *own, "-n", "4", "--controls", "0")
    code, closed = run(capsys, "close", name, *own, "--local", "--round", "2")
    assert (code, closed["round"], closed["tab_deleted"]) == (0, 2, False)


def loop_ids(digits: Any) -> list[str]:
    digits.dataset.reload()
    return list(digits.dataset.match_tags("cleaning:round-001").values("id"))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["score", "no-such-dataset"], "here is no dataset 'no-such-dataset'"),
        (["score", "NAME", "--label-field", "labels"], "label_field 'labels'"),
        (["score", "NAME"], "field 'resnet18_embedding'"),
        (["score", "NAME", "--view", "none"], "no saved view 'none'"),
        (["pull", "NAME", "--embeddings-field", "pixels"], "push"),
        (["push", "NAME", "--embeddings-field", "pixels"], "coreset-cleaning score"),
        (["undo", "NAME", "3"], "no round 3"),
        (["push", "NAME", "--quota", "cat"], "--quota must be CLASS=N"),
        (["push", "NAME", "--quota", "3=4", "--class", "3"], "Give one"),
        (["embed", "NAME", "--weights", "nowhere.pth"], "nowhere.pth"),
    ],
)
def test_bad_input_is_what_is_wrong_and_its_fix_and_exit_code_1(
    args: list[str], message: str, name: str, digits: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = digits.dataset.list_runs()
    assert main([name if arg == "NAME" else arg for arg in args]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    what, *fix = err.strip().splitlines()
    assert what.startswith(f"coreset-cleaning {args[0]}: ")
    assert all(line.startswith("  fix: ") for line in fix)
    assert len(fix) <= 1
    digits.dataset.reload()
    assert digits.dataset.list_runs() == runs


def test_wrong_key_and_dead_server_say_what_to_do(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", name, "--embeddings-field", "pixels"]) == 0
    push = ["push", name, "--embeddings-field", "pixels"]
    capsys.readouterr()
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "cafebabe" * 5)
    assert main(push) == 1
    err = capsys.readouterr().err
    assert "does not accept the key" in err
    assert "cafebabe" not in err
    assert main([*push, "--url", "http://127.0.0.1:9"]) == 1
    assert "can't be reached" in capsys.readouterr().err
    monkeypatch.delenv("LABEL_STUDIO_API_KEY")
    assert main(push) == 1
    assert "LABEL_STUDIO_API_KEY" in capsys.readouterr().err


@pytest.mark.parametrize("args", [["push"], ["nonsense"], [], ["score", "x", "--nonsense"]])
def test_usage_errors_exit_with_2(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(args)
    assert stopped.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    with pytest.raises(SystemExit) as stopped:
        main([*args, "--json"])
    assert stopped.value.code == 2
    out, same = capsys.readouterr()
    assert same == err
    found = document(out)
    assert found["error"] == "UsageError"
    assert found["what"] in err
    assert "--help" in found["fix"]


def test_embed_skips_counts_and_tags_unreadable_images(
    name: str, digits: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not an image")
    good = tmp_path / "good.png"
    Image.new("RGB", (40, 40), "red").save(good)
    view = digits.dataset.limit(2)
    ids = [
        *view.values("id"),
        *digits.dataset.add_samples(
            [
                fo.Sample(filepath=str(path), ground_truth=fo.Classification(label="3"))
                for path in (broken, good)
            ]
        ),
    ]
    digits.dataset.save_view("four", digits.dataset.select(ids))
    command = [
        "embed",
        name,
        "--view",
        "four",
        "--model",
        "efficientnet-lite0",
        "--image-size",
        "64",
        "--embeddings-field",
        "lite0",
    ]
    code, report = run(capsys, *command)
    assert (code, report["computed"], len(report["unreadable"])) == (0, 3, 1)
    assert report["unreadable"][0][0] == str(broken)
    digits.dataset.reload()
    assert digits.dataset.match_tags("cleaning:unreadable").values("filepath") == [str(broken)]
    # The second call does what is missing, and that is the broken image alone.
    code, again = run(capsys, *command)
    assert (again["computed"], again["present"], len(again["unreadable"])) == (0, 3, 1)
    # Another network's vectors don't mix in silently.
    assert main([*command, "--image-size", "96"]) == 1
    assert "must not be mixed" in capsys.readouterr().err


def test_a_class_that_relabelling_has_emptied(
    digits: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    loop = CleaningLoop(digits.dataset, "ground_truth", "pixels")
    first = loop.samples.train_view().first()
    first["ground_truth"].label = "typo"
    first.save()
    loop.compute_importance()
    loop.push_round(AppDesk(), n=1, controls=0, class_of_interest="typo")
    loop.record_verdicts({first.id: ("relabel", "3")}, reviewer="ann")
    assert "typo" not in digits.dataset.distinct("ground_truth.label")
    own = (digits.dataset.name, "--embeddings-field", "pixels")
    assert run(capsys, "status", *own)[1][0]["errors_found"] == 1
    code, yields = run(capsys, "yields", *own)
    assert (code, yields["budget_curve"][-1]["found"]) == (0, 1)
    assert main(["status", *own]) == 0
    assert facts.rounds(loop)["step"] == "pulled"  # what the panel shows
