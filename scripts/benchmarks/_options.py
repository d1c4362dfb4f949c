"""The options that all benchmarks share."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parents[1]
if str(SCRIPTS) not in sys.path:
    # Not in front: a benchmark may have the name of the library that it measures.
    sys.path.append(str(SCRIPTS))

from own_database import add_database_option, use_own_database  # noqa: E402


def parse(
    parser: argparse.ArgumentParser,
    argv: list[str] | None = None,
    *,
    database: bool = False,
    **tiny: Any,
) -> argparse.Namespace:
    """Add `--json` and `--tiny`, parse, and start a database for a benchmark that needs one.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    argv : list of str, optional
        Default: the command line.
    database : bool, default False
        Whether the benchmark imports FiftyOne; then there is `--database-uri`, too.
    **tiny : object
        The defaults with `--tiny`. Options that are given win.
    """
    parser.add_argument(
        "--tiny", action="store_true", help="seconds of work, to see that it runs; no measurement"
    )
    parser.add_argument("--json", metavar="FILE", help="file for the report")
    if database:
        add_database_option(parser)
    args = parser.parse_args(argv)
    if args.tiny:
        parser.set_defaults(**tiny)
        args = parser.parse_args(argv)
    if database:
        use_own_database(args.database_uri)
    return args
