"""FiftyOne's object of a dataset, brought up to what the database says."""

from __future__ import annotations

from typing import Any

import fiftyone as fo
import fiftyone.core.odm as foo
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from fiftyone.core.odm.document import Document

# What tells of no change.
_TIMES = {"last_loaded_at": 0, "last_modified_at": 0, "last_deletion_at": 0}
_SEEN = "_coreset_cleaning_seen"


def reread(dataset: fo.Dataset) -> None:
    """Reload a dataset if anything may have changed since the last time.

    Reloading takes longer than most steps of the loop, and nearly always nothing has changed. What
    the object has looked up in other collections, such as runs and saved views, may have changed
    there; what it has not is looked up when it is asked for.

    Parameters
    ----------
    dataset : fiftyone.Dataset
        Its samples in memory are reloaded in any case.
    """
    stored = _stored(dataset)
    seen = stored is not None and getattr(dataset._doc, _SEEN, None) == stored
    if seen and not _has_looked_up(dataset._doc):
        dataset._reload_docs(hard=True)
        return
    dataset.reload()
    # What was there before: news since then are found the next time.
    setattr(dataset._doc, _SEEN, stored)


def _stored(dataset: fo.Dataset) -> bytes | None:
    """Return what the database holds of a dataset, as it is."""
    raw: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
    datasets = foo.get_db_conn().datasets.with_options(raw)
    found = datasets.find_one({"_id": dataset._doc.id}, _TIMES)
    return None if found is None else found.raw


def _has_looked_up(doc: Any) -> bool:
    """Tell whether a document holds others that references of it stood for."""
    for value in doc._data.values():
        items = value.values() if isinstance(value, dict) else value
        if isinstance(value, dict | list) and any(isinstance(item, Document) for item in items):
            return True
    return False
