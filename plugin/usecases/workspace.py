"""What a use case works on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import DataError
from ..core.review.rounds import Rounds
from ..core.scoring.importance import LabelModel
from ..desks.base import Desk
from ..desks.labelstudio.desk import LabelStudioDesk
from ..store.labels import LabelField
from ..store.rounds import RoundStore
from ..store.samples import Samples


@dataclass
class Workspace:
    """What a use case works on: one label field of a dataset or view, and its rounds.

    Attributes
    ----------
    samples : Samples
    labels : LabelField
    store : RoundStore
    random_state : int
        Seed of everything random.
    model : LabelModel or None
        The last fit, from which the next one starts.
    """

    samples: Samples
    labels: LabelField
    store: RoundStore
    random_state: int = 0
    model: LabelModel | None = None

    @property
    def where(self) -> str:
        """The label field and dataset, for messages."""
        return f"field {self.labels.name!r} of dataset {self.samples.dataset.name!r}"

    @property
    def subject(self) -> str:
        """What a desk calls the label field: the test split has a project of its own there."""
        return self.labels.name + ("/test" if self.samples.of_test_split else "")

    def given_classes(self, rounds: Rounds, *more: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the classes a reviewer may give: the dataset's, and those that pushes add.

        `more` are the options of pushes that have no round on record yet.
        """
        pushes: Sequence[Mapping[str, Any]] = [*(r.config["options"] for r in rounds), *more]
        added = [name for options in pushes for name in options.get("new_classes", ())]
        return tuple(dict.fromkeys([*self.labels.classes(), *added]))


def desk_for(desk: Any) -> Desk:
    """Return the desk that is meant: a Label Studio server stands for the one there.

    Raises
    ------
    DataError
        When it is neither a server nor a desk.
    """
    # By what they can do: FiftyOne loads a copy of this package beside the installed one.
    if hasattr(desk, "send") and hasattr(desk, "close"):
        return desk  # type: ignore[no-any-return]
    if hasattr(desk, "tasks") and hasattr(desk, "url"):
        return LabelStudioDesk(desk)
    raise DataError(
        f"server must be a LabelStudioServer or a desk, got {type(desk).__name__}.",
        "Pass LabelStudioServer(), or AppDesk() to answer in the App.",
    )
