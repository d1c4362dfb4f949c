#!/usr/bin/env python3
"""Write docs/command-line.md from the parser itself.

    .venv/bin/python scripts/document_cli.py

A test holds the page equal to what this writes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from coreset_cleaning.cli import command_line_parser

PAGE = Path(__file__).resolve().parent.parent / "docs" / "command-line.md"

HEAD = """\
# Command line

The same use cases as in Python and in the App, for scripts, cron and headless machines. This page
is written by `scripts/document_cli.py` from the program itself.

```
coreset-cleaning COMMAND DATASET [options]
```

| exit code | means |
|---|---|
| 0 | done |
| 1 | failed; the reason is on stderr, and with `--json` on stdout, too |
| 2 | wrong usage |
| 3 | done, and another round is not worth it (`evaluate`, `loop`) |

The key of Label Studio is read from `LABEL_STUDIO_API_KEY`, never from an option: options are
seen by everybody on the machine.
"""


def page() -> str:
    """Return the page as Markdown."""
    parser = command_line_parser()
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    helps = {choice.dest: choice.help for choice in commands._choices_actions}
    shared = _shared([sub for sub in commands.choices.values() if _takes(sub, "dataset")])
    parts = [HEAD, "## Options of every command on a dataset\n", _table(shared)]
    for name, sub in commands.choices.items():
        own = [a for a in sub._actions if _key(a) not in {_key(other) for other in shared}]
        parts.append(f"## {name}\n\n{helps[name]}\n")
        parts.append(f"```\n{_usage(name, sub)}\n```\n")
        options = [a for a in own if a.option_strings]
        if options:
            parts.append(_table(options))
    return "\n".join(parts)


def _key(action: argparse.Action) -> tuple[object, ...]:
    return (*action.option_strings, action.help, str(action.default))


def _takes(sub: argparse.ArgumentParser, name: str) -> bool:
    return any(a.dest == name for a in sub._actions)


def _shared(subs: list[argparse.ArgumentParser]) -> list[argparse.Action]:
    """Return the options that all of these have."""
    common = set.intersection(*({_key(a) for a in sub._actions} for sub in subs))
    return [a for a in subs[0]._actions if a.option_strings and _key(a) in common]


def _usage(name: str, sub: argparse.ArgumentParser) -> str:
    positionals = [
        f"[{a.dest.upper()}]" if a.nargs == "?" else a.dest.upper()
        for a in sub._actions
        if not a.option_strings
    ]
    return " ".join(["coreset-cleaning", name, *positionals, "[options]"])


def _table(actions: list[argparse.Action]) -> str:
    rows = "".join(f"| `{_spelled(a)}` | {_described(a)} |\n" for a in actions)
    return f"| option | |\n|---|---|\n{rows}"


def _spelled(action: argparse.Action) -> str:
    flags = ", ".join(action.option_strings)
    if action.nargs == 0:
        return flags
    if action.choices:
        # A bare | would end the table's cell.
        return f"{flags} {{{','.join(map(str, action.choices))}}}"
    return f"{flags} {action.metavar or action.dest.upper()}"


def _described(action: argparse.Action) -> str:
    help_ = (action.help or "").replace("(%(default)s)", "").strip()
    shown = action.default not in (None, False, argparse.SUPPRESS)
    return f"{help_} (default: {action.default})".strip() if shown else help_


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
