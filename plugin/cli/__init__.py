"""Command line: the same use cases as the App, headless.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 another round is not worth it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence

from ..core.errors import CleaningError
from .commands import FAILED, Answer, wait_for_reviews
from .output import progress_bar, stdout_for_the_answer, to_json
from .parser import WrongUsage, command_line_parser

__all__ = ["command_line_parser", "main", "progress_bar", "wait_for_reviews"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name. Default: those of the process.

    Returns
    -------
    int
        0 done, 1 failed, 2 wrong usage, 3 stop rule reached.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        args = command_line_parser().parse_args(argv)
    except WrongUsage as error:
        # argparse takes "--js" for "--json".
        wants_json = any("--json".startswith(arg) for arg in argv if len(arg) > 2)
        _fail(wants_json, "UsageError", error.what, error.fix)
        raise
    try:
        with stdout_for_the_answer() if args.json else contextlib.nullcontext():
            answer: Answer = args.run(args)
    except CleaningError as error:
        _fail(args.json, type(error).__name__, error.what, error.fix)
        lines = [f"coreset-cleaning {args.command}: {error.what}"]
        lines += [f"  fix: {error.fix}"] if error.fix else []
        print("\n".join(lines), file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        what, fix = "The command was interrupted.", "Run it again to continue."
        _fail(args.json, "KeyboardInterrupt", what, fix)
        print(f"{what} {fix}", file=sys.stderr)
        return FAILED
    except Exception as error:
        # Nobody foresaw it, so the traceback tells most; a script still gets its document.
        _fail(args.json, type(error).__name__, str(error), "")
        raise
    data, text, code = answer
    print(to_json(data) if args.json else text)
    return code


def _fail(as_json: bool, error: str, what: str, fix: str) -> None:
    """Print what went wrong for a script to read."""
    if as_json:
        message = f"{what} {fix}" if fix else what
        print(to_json({"error": error, "what": what, "fix": fix, "message": message}))
