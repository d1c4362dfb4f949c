"""README and docs say what the code does: names, commands, messages, links; and they build."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import document_cli
from coreset_cleaning.cli import command_line_parser
from coreset_cleaning.core.review.verdicts import Outcome
from coreset_cleaning.store import names

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def page_id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def command_lines(text: str) -> list[str]:
    """Return the lines of shell blocks that call our program, without comments."""
    lines = [line for language, block in FENCE.findall(text) if language in ("", "sh", "bash")
             for line in block.splitlines()]  # fmt: skip
    return [line.split("  #")[0].strip() for line in lines if line.startswith("coreset-cleaning ")]


# ---- the command line


def test_the_command_line_page_is_written_from_the_parser() -> None:
    assert document_cli.PAGE.read_text() == document_cli.page(), (
        "docs/command-line.md is out of date: .venv/bin/python scripts/document_cli.py"
    )


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_in_blocks_are_accepted(page: Path) -> None:
    for line in command_lines(page.read_text()):
        if "COMMAND" in line or "[options]" in line:
            continue  # a pattern, not a command
        command_line_parser().parse_args(shlex.split(line)[1:])


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_in_the_text_exist(page: Path) -> None:
    (commands,) = (
        a for a in command_line_parser()._actions if isinstance(a, argparse._SubParsersAction)
    )
    text = FENCE.sub("", page.read_text())
    for line in re.findall(r"`coreset-cleaning ([^`]+)`", text):
        name, *rest = line.split()
        assert name in commands.choices, f"coreset-cleaning has no command {name}"
        options = commands.choices[name]._option_string_actions
        unknown = [word for word in rest if word.startswith("-") and word not in options]
        assert not unknown, f"coreset-cleaning {name} has no {', '.join(unknown)}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_scripts_that_are_named_exist(page: Path) -> None:
    text = page.read_text()
    for name in re.findall(r"\bscripts/[\w./-]*\w", text):
        assert (ROOT / name).exists(), f"there is no {name}"
    for name in re.findall(r"scripts/bench (\w+)", text):
        assert name == "NAME" or (ROOT / "scripts/benchmarks" / f"{name}.py").exists(), name


# ---- links


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text())):
        if re.match(r"https?:|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"there is no {target}"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file.read_text()), f"{file.name} has no heading #{anchor}"


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


# ---- names and messages


def test_every_name_on_a_dataset_is_documented() -> None:
    text = (DOCS / "fields.md").read_text()
    ours = names.Names()
    wanted = [
        names.EMBEDDINGS,
        names.TAG_UNREADABLE,
        *ours.fields(),
        *ours.review_tags(),
        *(ours.outcome_view(outcome) for outcome in Outcome if outcome is not Outcome.UNSURE),
        ours.round_tag(3),
        names.round_run_key(3),
        ours.round_view(3),
        ours.queue_view("<class>"),
        ours.coreset,
    ]
    absent = [name for name in wanted if f"`{name}`" not in text]
    assert not absent, f"docs/fields.md does not mention {', '.join(absent)}"


def messages() -> list[str]:
    """Return every text of the plugin's code, with … for what is put in."""
    found = []
    for path in sorted((ROOT / "plugin").rglob("*.py")):
        tree = ast.parse(path.read_text())
        docstrings = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
        for node in ast.walk(tree):
            if id(node) in docstrings:
                continue
            joined = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)
            if joined or isinstance(node, ast.JoinedStr | ast.Constant):
                found.append(text_of(node))
    return found


def text_of(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr(values=values):
            return "".join(text_of(value) for value in values)
        case ast.BinOp(left=left, right=right):
            return text_of(left) + text_of(right)
    return "…"


def test_documented_messages_are_those_of_the_code() -> None:
    headings = re.findall(r"^### `(.+)`$", (DOCS / "troubleshooting.md").read_text(), re.MULTILINE)
    assert len(headings) > 25
    known = messages()
    absent = []
    for heading in headings:
        pattern = re.compile(".*".join(re.escape(part) for part in heading.split("…")), re.DOTALL)
        if not any(pattern.search(message) for message in known):
            absent.append(heading)
    assert not absent, f"the code has no message like: {absent}"


# ---- the pages as HTML


def test_the_pages_build_without_a_warning(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", tmp_path / "trees",
         DOCS, tmp_path / "html"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    reference = (tmp_path / "html" / "api.html").read_text()
    for name in ("CleaningLoop.push_round", "LabelStudioServer", "score_labels", "RoundError"):
        assert f"{name}" in reference
