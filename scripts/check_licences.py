#!/usr/bin/env python3
"""Check the licences of all that an installation brings along.

    .venv/bin/python scripts/check_licences.py

The package itself is Apache-2.0. What it installs may be permissive or weakly copyleft (MPL, LGPL);
strong copyleft, or a licence that nobody states, needs a reason below.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement

ROOT_PACKAGE = "fiftyone-coreset-cleaning"
GOOD = re.compile(
    r"Apache|MIT|BSD|ISC|MPL|Mozilla|LGPL|Lesser General|PSF|Python Software|HPND|CNRI|Zlib|"
    r"Unlicense|Public Domain|CC0|BSL-1|Boost|0BSD",
    re.IGNORECASE,
)
STRONG = re.compile(r"(?<!L)(?<!Lesser )\bA?GPL|(?<!Lesser )General Public License", re.IGNORECASE)
EXCEPTIONS = {
    "label-studio-sdk": "states none in its metadata; its repository is Apache-2.0",
    "cuda-toolkit": "NVIDIA's, comes with torch's CUDA wheels; not redistributed here",
    "nvidia-": "the same",
}


def main() -> int:
    """Print what is not fine; return 1 if there is something."""
    problems = []
    packages = closure(ROOT_PACKAGE)
    for name, package in sorted(packages.items()):
        stated = licence(package)
        excepted = any(name.startswith(prefix) for prefix in EXCEPTIONS)
        if not excepted and (STRONG.search(stated) or not GOOD.search(stated)):
            problems.append(f"{name} {package.version}: {stated or 'no licence stated'}")
    for problem in problems:
        print(f"scripts/check_licences.py: {problem}. Do without it, or give a reason here.")
    return 1 if problems else 0


def closure(root: str) -> dict[str, Distribution]:
    """Return the installed packages that `root` needs, directly or not, without its extras."""
    found: dict[str, Distribution] = {}
    todo: list[tuple[str, frozenset[str]]] = [(root, frozenset())]
    seen = set()
    while todo:
        name, extras = todo.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()
        if (key, extras) in seen:
            continue
        seen.add((key, extras))
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue  # of another platform, or replaced by hand
        found[key] = package
        for line in package.requires or []:
            needed = Requirement(line)
            contexts = [{"extra": extra} for extra in extras] or [{"extra": ""}]
            if needed.marker is None or any(needed.marker.evaluate(c) for c in contexts):
                todo.append((needed.name, frozenset(needed.extras)))
    return found


def licence(package: Distribution) -> str:
    """Return what a package's metadata says of its licence."""
    meta = package.metadata
    classifiers = [c.split(" :: ")[-1] for c in meta.get_all("Classifier") or [] if "License" in c]
    # Some put the whole text here; its first lines name it.
    field = " ".join((meta.get("License") or "").splitlines()[:3])
    return "; ".join(filter(None, [meta.get("License-Expression"), field, *classifiers]))


if __name__ == "__main__":
    sys.exit(main())
