"""What all operators share: how they are listed, run and answer; see `fields` for their forms."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import fiftyone as fo
import fiftyone.operators as foo
from fiftyone.operators import types

from ...core.errors import CleaningError
from .. import settings
from ..context import PLUGIN
from .fields import check_unlocked, refuse
from .refusals import refuse_bad

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """What an operator shows when it is done.

    Attributes
    ----------
    text : str
        What happened, as Markdown.
    next : str
        What to do now.
    url : str
        A link to go on with in Label Studio, or empty.
    view : str
        The saved view to go on with, or empty.
    report : dict
        The same for scripts.
    """

    text: str
    next: str = ""
    url: str = ""
    view: str = ""
    report: dict[str, Any] = field(default_factory=dict)


class LoopOperator(foo.Operator):  # type: ignore[misc]
    """An operator that makes one call of the cleaning loop.

    Subclasses give the class attributes, `form` and `run`.

    Attributes
    ----------
    name, label, description, icon : str
        What the App's list shows, and what an agent chooses by.
    risk : {"LOW", "MEDIUM", "HIGH", "DANGEROUS"}
        "LOW" looks; "MEDIUM" writes what can be taken back or is written again; "HIGH" sends data
        away, deletes, or speaks for a reviewer, so that an agent has to ask first.
    unlisted : bool, default False
        Whether it is a part of another one, and not in the App's list.
    takes_long : bool, default False
        Whether it may run in the background.
    changes_samples, changes_labels : bool
        Whether the App reads the dataset again afterwards; whether a read-only field is refused.
    """

    name: str
    label: str
    description: str
    icon: str
    risk: str
    unlisted = False
    takes_long = False
    changes_samples = True
    changes_labels = False

    @property
    def config(self) -> foo.OperatorConfig:
        """How the App lists and runs the operator."""
        # Without an orchestrator the App's "Schedule" does nothing, so it must not be the default.
        can_schedule = getattr(fo.config, "allow_legacy_orchestrators", False)
        return foo.OperatorConfig(
            name=self.name,
            label=self.label,
            description=self.description,
            icon=self.icon,
            dynamic=True,
            unlisted=self.unlisted,
            allow_delegated_execution=self.takes_long,
            default_choice_to_delegated=self.takes_long and can_schedule,
            risk_level=self.risk,
        )

    def form(self, ctx: Any, inputs: types.Object) -> None:
        """Add the operator's own fields."""
        raise NotImplementedError

    def run(self, ctx: Any) -> Answer:
        """Do the work."""
        raise NotImplementedError

    def resolve_input(self, ctx: Any) -> types.Property:
        """Build the form: what can't work is said here, not after a click."""
        inputs = types.Object()
        if ctx.dataset is None:
            refuse(inputs, "no_dataset", "No dataset is open", "Choose one at the top.")
        elif not settings.label_fields(ctx.dataset):
            refuse(
                inputs,
                "no_labels",
                "This dataset has no labels to clean",
                "The loop needs a sample field of type Classification or Detections.",
            )
        else:
            try:
                if not self.changes_labels or check_unlocked(ctx, inputs):
                    self.form(ctx, inputs)
            except CleaningError as error:
                refuse(inputs, "problem", "Something is in the way", str(error))
            except ModuleNotFoundError as error:
                refuse(inputs, "not_installed", *missing(error))
        refuse_bad(inputs, ctx.params)
        return types.Property(inputs, view=types.View(label=self.label))

    def execute(self, ctx: Any) -> dict[str, Any]:
        """Run, remember the chosen fields, and refresh the App."""
        try:
            answer = self.run(ctx)
        except CleaningError as error:
            if ctx.delegated:  # the run must count as failed
                raise
            # The App shows a raised error as a folded traceback, a result as words.
            return {"error": str(error), "what": error.what, "fix": error.fix}
        except ModuleNotFoundError as error:
            if ctx.delegated:
                raise
            return said_missing(error)
        except Exception as error:
            if ctx.delegated:
                raise
            _logger.exception("%s failed", self.uri)
            what = f"{type(error).__name__}: {error}."
            fix = (
                "The details are in the log of the FiftyOne server; “Label cleaning: check the "
                "setup” may tell more."
            )
            return {"error": f"{what} {fix}", "what": what, "fix": fix}
        settings.remember(ctx.dataset, settings.resolve(ctx.dataset, ctx.params))
        if self.changes_samples and not ctx.delegated:
            ctx.ops.reload_dataset()
        return {
            "text": answer.text,
            "next": answer.next,
            "url": answer.url,
            "view": answer.view,
            "report": answer.report,
        }

    def resolve_output(self, ctx: Any) -> types.Property:
        """Say what happened and what to do next."""
        outputs = types.Object()
        results = ctx.results or {}
        if results.get("error"):
            outputs.view("error", types.Error(label="It did not work", description=results["what"]))
            if results["fix"]:
                outputs.md(f"**Fix:** {results['fix']}", name="fix")
            return types.Property(outputs, view=types.View(label=self.label))
        outputs.md(results.get("text", ""), name="what_happened")
        if results.get("next"):
            outputs.md(f"**Next:** {results['next']}", name="what_next")
        if results.get("url"):
            outputs.md(f"[Open in Label Studio]({results['url']})", name="link")
        if results.get("view"):
            outputs.btn(
                "view",
                f"Show “{results['view']}” in the grid",
                icon="grid_view",
                variant="outlined",
                on_click="@voxel51/operators/set_view",
                params={"name": results["view"]},
            )
        return types.Property(outputs, view=types.View(label=self.label))

    def __call__(self, sample_collection: Any, delegate: bool = False, **params: Any) -> Any:
        """Run the operator from Python on a dataset or view.

        Parameters
        ----------
        sample_collection : fiftyone.core.collections.SampleCollection
            A dataset or view.
        delegate : bool, default False
            Whether to queue it for `fiftyone delegated launch`.
        **params
            The form's fields.

        Returns
        -------
        fiftyone.operators.executor.ExecutionResult
            Its `result` holds "text", "next", "url" and "report".

        Raises
        ------
        CleaningError
            When it did not work.
        """
        key = "dataset" if isinstance(sample_collection, fo.Dataset) else "view"
        done = foo.execute_operator(
            self.uri, {key: sample_collection}, params=params, request_delegation=delegate
        )
        if not delegate and "error" in done.result:
            raise CleaningError(done.result["what"], done.result["fix"])
        return done


def missing(error: ModuleNotFoundError) -> tuple[str, str]:
    """Return what is not installed, and how to install it: an archive brings no dependencies."""
    name = (error.name or "a package").split(".")[0]
    return (
        f"{name} is not installed where FiftyOne runs.",
        f"Run `fiftyone plugins requirements {PLUGIN} --install` there and restart FiftyOne.",
    )


def said_missing(error: ModuleNotFoundError) -> dict[str, Any]:
    """Return an operator's result that says what is not installed."""
    what, fix = missing(error)
    return {"error": f"{what} {fix}", "what": what, "fix": fix}
