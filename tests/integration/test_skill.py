"""An agent that knows nothing but the skill cleans labels through FiftyOne's own MCP server.

The agent here has no wits: it makes the calls of SKILL.md in their order, with what the person
said put in for the names in capitals. People are outside: what the skill says to ask, the test
says, and the reviewers are answers through Label Studio's own API.
"""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fiftyone as fo
import pytest
import yaml
from fiftyone.plugins import list_skills
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from coreset_cleaning import AppDesk, CleaningLoop, LabelStudioServer
from label_studio_server import LabelStudioProcess
from support.answers import answer_truly, project_of
from support.digits import EMBEDDING, Digits, add_embeddings

ROOT = Path(__file__).resolve().parents[2]
SKILL = ROOT / "skills" / "clean-labels" / "SKILL.md"
MANIFEST = yaml.safe_load((ROOT / "fiftyone.yml").read_text(encoding="utf-8"))
PLUGIN = MANIFEST["name"]
ROUNDS = 2
SAID = {
    "LABEL_FIELD": "ground_truth",
    "MODEL": "efficientnet-lite0",
    "EMBEDDINGS_FIELD": EMBEDDING,
    "TEST_TAG": "test",
    "SCOPE": "dataset",
    "N": 12,
    "CONTROLS": 2,
}
# A call of the skill: the tool, and the expression of each of its arguments.
Call = tuple[str, dict[str, ast.expr]]


def steps() -> dict[str, list[Call]]:
    """Return the calls of each step, by its number."""
    parts = re.split(r"^### (\w+)\. .*$", SKILL.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = {}
    for number, text in zip(parts[1::2], parts[2::2], strict=True):
        blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        nodes = [node.value for block in blocks for node in ast.parse(block).body]
        found[number] = [(n.func.id, {k.arg: k.value for k in n.keywords}) for n in nodes]
    return found


def meant(expression: ast.expr, said: dict[str, Any]) -> Any:
    """Return what an argument is, once the person has said what its names in capitals are."""
    if isinstance(expression, ast.Name):
        return said[expression.id]
    if isinstance(expression, ast.Dict):
        pairs = zip(expression.keys, expression.values, strict=True)
        return {ast.literal_eval(key): meant(value, said) for key, value in pairs}
    return ast.literal_eval(expression)


async def clean(
    session: ClientSession, said: dict[str, Any], review: Callable[[], None]
) -> list[dict[str, Any]]:
    """Go through the skill; return the report of each round's evaluation."""

    async def step(number: str) -> dict[str, Any]:
        last: dict[str, Any] = {}
        for tool, arguments in steps()[number]:
            given = {name: meant(value, said) for name, value in arguments.items()}
            answer = json.loads((await session.call_tool(tool, given)).content[0].text)
            assert answer["success"], answer.get("error")
            last = answer["data"]
            if tool == "execute_operator":
                last = last["result"]
                assert "error" not in last, last
            else:
                listed = {operator["uri"] for operator in last["operators"]}
                assert {f"{PLUGIN}/{name}" for name in operators_of_the_skill()} <= listed
        return last

    await step("1")
    await fits(session, said, "2")  # skipped: there are embeddings
    await step("3")
    evaluations = []
    for _ in range(ROUNDS):
        await step("4")
        assert re.search(r"/projects/\d+", (await step("5b"))["url"])
        assert (await step("6"))["report"]["open_round"] is not None  # nobody has answered yet
        await asyncio.to_thread(review)
        assert (await step("6"))["report"]["open_round"] is None
        evaluations.append((await step("7"))["report"])
    return evaluations


async def fits(session: ClientSession, said: dict[str, Any], number: str) -> None:
    """Check what a step would send against the operator's own form, without sending it."""
    for _, arguments in steps()[number]:
        given = {name: meant(value, said) for name, value in arguments.items()}
        answer = json.loads((await session.call_tool("get_operator_schema", given)).content[0].text)
        fields = answer["data"]["input_schema"]["type"]["properties"]
        assert set(given["params"]) <= set(fields)
        assert given["params"]["model"] in fields["model"]["type"]["values"]


def operators_of_the_skill() -> set[str]:
    uris = [
        ast.literal_eval(arguments["operator_uri"])
        for calls in steps().values()
        for tool, arguments in calls
        if tool == "execute_operator"
    ]
    return {uri.removeprefix(f"{PLUGIN}/") for uri in uris}


def outcome(dataset: Any) -> dict[str, tuple[Any, ...]]:
    """Return what a cleaned dataset says of each sample."""
    fields = ("ground_truth.label", "original_label.label", "sample_weight", "tags")
    ids, *columns = dataset.values(["id", *fields])
    return dict(zip(ids, zip(*columns[:-1], map(sorted, columns[-1]), strict=True), strict=True))


def test_an_agent_that_knows_only_the_skill_cleans_as_the_demo_does(
    confused_digits: Digits, label_studio: LabelStudioProcess, tmp_path: Path
) -> None:
    dataset, truth = confused_digits.dataset, confused_digits.truth
    dataset.persistent = True  # another process is to find it
    add_embeddings(confused_digits)
    expected = as_the_demo(confused_digits.clone().dataset, truth)
    (tmp_path / "label-cleaning").symlink_to(ROOT, target_is_directory=True)
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "fiftyone_mcp.server"],
        env={
            **os.environ,
            "FIFTYONE_PLUGINS_DIR": str(tmp_path),
            "LABEL_STUDIO_URL": label_studio.url,
            "LABEL_STUDIO_API_KEY": label_studio.admin_token,
        },
    )
    server = LabelStudioServer(label_studio.url, label_studio.admin_token)

    def review() -> None:
        dataset.reload()
        loop = CleaningLoop(dataset, embeddings_field=SAID["EMBEDDINGS_FIELD"], test_tag="test")
        answer_truly(server, project_of(loop), truth, n_classes=4)

    async def talk(log: Any) -> list[dict[str, Any]]:
        streams = stdio_client(parameters, errlog=log)
        async with streams as (read, write), ClientSession(read, write) as session:
            await session.initialize()
            return await clean(session, {**SAID, "DATASET": dataset.name}, review)

    with (tmp_path / "log").open("w") as log:
        evaluations = asyncio.run(talk(log))
    dataset.reload()
    found = outcome(dataset)
    assert found == expected
    assert [report["round"] for report in evaluations] == [1, 2]
    assert all(report["reasons"] for report in evaluations)
    relabeled = [i for i, (_, original, *_) in found.items() if original]
    assert len(relabeled) > 4
    assert all(found[i][0] == truth[i] for i in relabeled)


def as_the_demo(dataset: Any, truth: dict[str, str]) -> dict[str, tuple[Any, ...]]:
    """Clean a clone as `scripts/demo` does, in Python; return what it says of each sample then."""
    try:
        loop = CleaningLoop(dataset, embeddings_field=SAID["EMBEDDINGS_FIELD"], test_tag="test")
        loop.compute_importance()
        for number in range(1, ROUNDS + 1):
            loop.push_round(AppDesk(), n=SAID["N"], controls=SAID["CONTROLS"], scope=SAID["SCOPE"])
            asked = [item.sample_id for item in loop.rounds.load(number).batch]
            given = dict(zip(*dataset.values(["id", "ground_truth.label"]), strict=True))
            loop.record_verdicts(
                {i: "keep" if given[i] == truth[i] else ("relabel", truth[i]) for i in asked}
            )
            loop.compute_importance()
        return outcome(dataset)
    finally:
        dataset.delete()


def test_fiftyone_finds_the_skill_and_it_says_what_an_agent_must_not_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "label-cleaning").symlink_to(ROOT, target_is_directory=True)
    monkeypatch.setattr(fo.config, "plugins_dir", str(tmp_path))
    found = {skill.name: skill for skill in list_skills(plugin=PLUGIN)}
    assert set(found) == set(MANIFEST["skills"]) == {SKILL.parent.name}
    assert PLUGIN in found["clean-labels"].description
    assert operators_of_the_skill() <= set(MANIFEST["operators"])
    named = {name for name in re.findall(r"`([a-z_]+)`", SKILL.read_text()) if "_" in name}
    unknown = named - set(MANIFEST["operators"]) - {"label_field", "delete_tasks"}
    assert unknown - {"ground_truth"} == set()
    # What only people decide is in no step.
    for name in ("name_marked", "close_round", "undo_round", "export_cleaned", "export_audit"):
        assert name in named
        assert name not in operators_of_the_skill()
