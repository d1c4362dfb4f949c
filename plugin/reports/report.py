"""What all reports share."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

NOT_PERSISTENT = (
    "\nWarning: This dataset is not persistent: it is deleted, with all answers, when FiftyOne's "
    "database stops. Keep it: dataset.persistent = True"
)


class Report:
    """Base of all reports."""

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-able values."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]
