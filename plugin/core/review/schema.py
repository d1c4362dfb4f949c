"""The version of what rounds store, and how what older versions stored is read.

====== ===========================================================================================
schema what changed
====== ===========================================================================================
1      A round has one class, whose pool stands in its config.
2      Rounds of several classes: `pools`.
3      Head and content apart: events, link and end stand in the run's config, batch and pools in
       its results; evaluations, the project and the score record are runs of their own.
====== ===========================================================================================
"""

from __future__ import annotations

from typing import Any

from ..errors import RoundError

SCHEMA = 3

Document = dict[str, Any]


def check_schema(version: int, what: str) -> None:
    """Refuse what a newer version has written.

    Parameters
    ----------
    version : int
        The schema that it names.
    what : str
        What it is, for the error's text: ``round 3 of dataset 'cats'``.

    Raises
    ------
    RoundError
        When this version can't read it.
    """
    if version > SCHEMA:
        raise RoundError(
            f"{what} was written with schema {version}; this version of fiftyone-coreset-cleaning "
            f"reads up to {SCHEMA}.",
            "Update it: pip install --upgrade fiftyone-coreset-cleaning.",
        )


def split_round(config: Document, content: Document) -> tuple[Document, Document, Document]:
    """Take a round of schema 1 or 2 apart.

    Parameters
    ----------
    config, content : dict
        The run's config and its results, as they were stored.

    Returns
    -------
    head, content, rest : dict
        Head and content as schema 3 stores them, and what has a run of its own since: "project"
        and "evaluation".
    """
    config = dict(config)
    pool = config.pop("pool", None)
    pools = content.get("pools") or {config["class_of_interest"]: pool}
    project = dict(content.get("project") or {})
    head = {
        **config,
        "schema": SCHEMA,
        "events": content["events"],
        "closed_at": content["closed_at"],
        "url": project.get("url") or "",
    }
    rest = {"project": project, "evaluation": content.get("evaluation")}
    return head, {"schema": SCHEMA, "batch": content["batch"], "pools": pools}, rest


def split_start(content: Document) -> tuple[Document, Document, Document]:
    """Take a start of schema 1 or 2 apart, as `split_round` does with a round."""
    head = {**content["config_"], "schema": SCHEMA, "pair": content.get("pair")}
    columns = {key: content[key] for key in ("given_labels", "importance")}
    return head, {"schema": SCHEMA, **columns}, {"evaluation": content.get("evaluation")}
