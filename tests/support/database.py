"""The database of a test process; see scripts/own_database.py."""

from __future__ import annotations

import os
from uuid import uuid4

import pytest

from own_database import free_port, use_own_database

# Nothing listens there: a test that needs a database and has not asked for one fails at once,
# instead of joining the user's.
NOWHERE = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=1000"
OPTION = "--database-uri"


def hide_databases() -> None:
    """Forget what the environment says about FiftyOne, so that it finds no database at all."""
    for name in [name for name in os.environ if name.startswith("FIFTYONE_")]:
        del os.environ[name]
    os.environ["FIFTYONE_DATABASE_URI"] = NOWHERE


def start_database(config: pytest.Config) -> None:
    """Give this process a database before its tests import FiftyOne; call it as often as you like.

    Each worker of pytest-xdist has a mongod of its own. With `--database-uri`, it has a database of
    its own on that server, which is dropped at the end.
    """
    if os.environ.get("FIFTYONE_DATABASE_URI") != NOWHERE:
        return
    uri = config.getoption(OPTION)
    if not uri:
        # It ends with this process and not sooner: FiftyOne asks for it when Python ends, and would
        # wait half a minute for one that is gone.
        use_own_database()
        # A page that opens an App must not join the user's at the usual port.
        os.environ["FIFTYONE_DEFAULT_APP_PORT"] = str(free_port())
        return
    use_own_database(uri)
    name = os.environ["FIFTYONE_DATABASE_NAME"] = f"coreset-cleaning-tests-{uuid4().hex}"

    def drop() -> None:
        import pymongo

        with pymongo.MongoClient(uri) as client:
            client.drop_database(name)

    config.add_cleanup(drop)
