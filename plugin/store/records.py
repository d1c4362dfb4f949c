"""Records of ours on a dataset: FiftyOne custom runs, each with a small head and large content.

They survive cloning, renaming and exporting the dataset. Heads are read from the database itself,
so that what another process has just written is seen, and changed there field by field: nobody
writes back what they have read before, so nothing newer is overwritten.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

import fiftyone as fo
import fiftyone.core.odm as foo
from bson import json_util
from fiftyone.core.odm.runs import RunDocument
from fiftyone.core.runs import RunConfig
from gridfs.errors import CorruptGridFile, NoFile

from ..core.errors import RoundError
from . import names
from .fresh import reread

# Readers of content that is being replaced look again so often.
_READS = 10
_FIXED = {"cls", "type", "method"}

Head = dict[str, Any]


class Records:
    """The custom runs of this project on a dataset.

    Parameters
    ----------
    dataset : fiftyone.Dataset
    """

    def __init__(self, dataset: fo.Dataset) -> None:
        self.dataset = dataset

    def heads(self, kind: str, **equal: Any) -> dict[str, Head]:
        """Return key to head of the records of a kind whose heads hold these values."""
        return {key: head for key, (head, _) in self.documents(kind, **equal).items()}

    def documents(self, kind: str, **equal: Any) -> dict[str, tuple[Head, Any]]:
        """Return key to head and id of the content's file, as `heads` does."""
        ids = self._ids()
        query = {"config.method": names.RUN_METHOD, "config.kind": kind}
        query |= {f"config.{name}": value for name, value in equal.items()}
        found = foo.get_db_conn().runs.find({"_id": {"$in": list(ids.values())}, **query})
        start = _start_of_key(kind)
        return {d["key"]: (_head(d), d.get("results")) for d in found if d["key"].startswith(start)}

    def renamed(self) -> dict[str, str]:
        """Return the records that a user has given another key: present key to that it had."""
        query = {"_id": {"$in": list(self._ids().values())}, "config.method": names.RUN_METHOD}
        long = {"results": 0, "config.events": 0, "config.gold_events": 0}
        found = foo.get_db_conn().runs.find(query, long)
        return {
            d["key"]: _key_of(_head(d))
            for d in found
            if not d["key"].startswith(_start_of_key(d["config"]["kind"]))
        }

    def any(self, kind: str, **equal: Any) -> bool:
        """Tell whether there is a record of a kind whose head holds these values."""
        query = {"config.method": names.RUN_METHOD, "config.kind": kind}
        query |= {f"config.{name}": value for name, value in equal.items()}
        ids = list(self._ids().values())
        found = foo.get_db_conn().runs.find_one({"_id": {"$in": ids}, **query}, {"_id": 1})
        return found is not None

    def head(self, key: str) -> Head | None:
        """Return the head of a record; None when there is none."""
        document = self._document(key)
        return None if document is None else _head(document)

    def create(self, key: str, kind: str, head: Head, content: Head | None = None) -> bool:
        """Make a record with all that it holds; return False when there is one of that key.

        Of two processes that make it at once, one gets False.
        """
        run = RunDocument(
            dataset_id=self.dataset._doc.id,
            key=key,
            version=fo.__version__,
            timestamp=datetime.now(timezone.utc),
            config={
                **RunConfig().serialize(),
                "method": names.RUN_METHOD,
                "kind": kind,
                **head,
            },
        )
        if content is not None:
            run.results.put(_packed(content), content_type="application/json")
        run.save(upsert=True)
        claimed = foo.get_db_conn().datasets.update_one(
            {"_id": self.dataset._doc.id, f"runs.{key}": {"$exists": False}},
            {"$set": {f"runs.{key}": run.id}},
        )
        if not claimed.matched_count:
            if content is not None:
                run.results.delete()
            run.delete()
            return False
        reread(self.dataset)
        return True

    def update(self, key: str, **values: Any) -> None:
        """Set values of a record's head; what else it holds stays as it is."""
        self._change(key, {"$set": {f"config.{name}": value for name, value in values.items()}})

    def append(self, key: str, name: str, items: list[Any], **values: Any) -> None:
        """Append to a list in a record's head, and set further values in the same stroke."""
        change: dict[str, Any] = {"$push": {f"config.{name}": {"$each": items}}}
        if values:
            change["$set"] = {f"config.{field}": value for field, value in values.items()}
        self._change(key, change)

    def content(self, key: str) -> Head | None:
        """Return the content of a record; None when it has none."""
        for _ in range(_READS):
            document = self._document(key)
            file_id = (document or {}).get("results")
            if file_id is None:
                return None
            try:
                return dict(json_util.loads(_files().get(file_id).read().decode()))
            except (NoFile, CorruptGridFile):
                continue  # another process has just replaced it; of a large one, the bytes go last
        raise RoundError(
            f"run {key!r} of dataset {self.dataset.name!r} can't be read: its results are missing "
            "from the database.",
            f"Restore them from a backup, or give the run up with dataset.delete_run({key!r}).",
        )

    def contents(self, files: Iterable[Any]) -> dict[Any, Head]:
        """Return what files of content hold, all read at once, by the file's id.

        One that another process is replacing is left out: `content` knows what to do.
        """
        chunks = foo.get_db_conn().fs.chunks.find({"files_id": {"$in": list(files)}})
        parts: dict[Any, list[bytes]] = defaultdict(list)
        for chunk in chunks.sort([("files_id", 1), ("n", 1)]):
            parts[chunk["files_id"]].append(chunk["data"])
        found = {}
        for file_id, data in parts.items():
            with suppress(ValueError):  # some of it is gone already: an object that does not end
                found[file_id] = dict(json_util.loads(b"".join(data).decode()))
        return found

    def write_content(self, key: str, content: Head) -> None:
        """Replace the content of a record; there is a whole version of it at any time."""
        document = self._require(key)
        new = _files().put(_packed(content), content_type="application/json")
        old = document.get("results")
        foo.get_db_conn().runs.update_one({"_id": document["_id"]}, {"$set": {"results": new}})
        if old is not None:
            _files().delete(old)

    def delete(self, key: str) -> None:
        """Remove a record; a user's run of that key is none."""
        self._require(key)
        reread(self.dataset)
        self.dataset.delete_run(key)

    # ---- the database

    def _ids(self) -> dict[str, Any]:
        document = foo.get_db_conn().datasets.find_one({"_id": self.dataset._doc.id}, {"runs": 1})
        return (document or {}).get("runs") or {}

    def _document(self, key: str) -> dict[str, Any] | None:
        run_id = self._ids().get(key)
        if run_id is None:
            return None
        query = {"_id": run_id, "config.method": names.RUN_METHOD}  # a user's own is none of ours
        found: dict[str, Any] | None = foo.get_db_conn().runs.find_one(query)
        return found

    def _require(self, key: str) -> dict[str, Any]:
        document = self._document(key)
        if document is None:
            raise RoundError(
                f"run {key!r} of dataset {self.dataset.name!r} is gone: it was deleted, or the "
                "dataset was.",
                "What it recorded can't be continued. Look at dataset.list_runs() and start again.",
            )
        return document

    def _change(self, key: str, change: dict[str, Any]) -> None:
        foo.get_db_conn().runs.update_one({"_id": self._require(key)["_id"]}, change)
        # FiftyOne clones and exports what its own object of the run holds.
        reread(self.dataset)


def _start_of_key(kind: str) -> str:
    return f"cleaning_{kind}_"


def _key_of(head: Head) -> str:
    """Return the key under which a record was made."""
    if head["kind"] == "round":
        return names.round_run_key(head["round"])
    field = head["embeddings_field"] if head["kind"] == "embedding" else head["label_field"]
    if head["kind"] == "evaluation":
        return names.evaluation_run_key(field, head["round"])
    return names.field_run_key(head["kind"], field)


def _head(document: dict[str, Any]) -> Head:
    return {name: v for name, v in document.get("config", {}).items() if name not in _FIXED}


def _packed(content: Head) -> bytes:
    return json_util.dumps(content).encode()


def _files() -> Any:
    # The proxy that FiftyOne's own run documents use.
    return RunDocument().results.fs
