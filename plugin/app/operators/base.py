"""What all operators share: the fields of their forms, their loop, and how they answer."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import fiftyone as fo
import fiftyone.operators as foo
from fiftyone.operators import types

from ...core.errors import CleaningError
from .. import settings
from ..context import KEY, NOT_PERSISTENT, PLUGIN, URL, loop_for
from .refusals import refuse_bad

NO_SERVER = (
    f"Set {URL} and {KEY} in the environment of the FiftyOne server and restart it. The key is "
    "in Label Studio under Account & Settings."
)

_SPLITS = {
    "train": "All but the test split",
    "test": "The test split, in rounds of its own",
}
_SCOPES = {"class": "One class, or some", "dataset": "The whole dataset"}

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


def refuse(inputs: types.Object, name: str, label: str, description: str) -> None:
    """Say in a form why it can't be sent, and keep it from being sent."""
    prop = inputs.str(name, label=label, view=types.Error(label=label, description=description))
    prop.invalid = True
    prop.error_message = f"{label}. {description}"


def warn(inputs: types.Object, name: str, label: str, description: str) -> None:
    """Say something in a form that does not keep it from being sent."""
    inputs.view(name, types.Warning(label=label, description=description))


def tell(inputs: types.Object, name: str, label: str, description: str) -> None:
    """Say in a form what sending it will do."""
    inputs.view(name, types.Notice(label=label, description=description))


def choice(
    inputs: types.Object,
    name: str,
    values: list[str],
    *,
    label: str,
    default: str | None,
    description: str = "",
    required: bool = True,
) -> types.Property:
    """Add a drop-down list; what is not in it is refused.

    With a default it is not required: from Python, defaults are not filled in.
    """
    return inputs.enum(
        name,
        values,
        label=label,
        description=description,
        default=default,
        required=required and default is None,
        view=types.AutocompleteView() if len(values) > 20 else types.DropdownView(),
    )


def add_label_field(ctx: Any, inputs: types.Object) -> None:
    """Add the field whose labels are cleaned."""
    choice(
        inputs,
        "label_field",
        settings.label_fields(ctx.dataset),
        label="Label field",
        default=settings.resolve(ctx.dataset).label_field,
        description="The labels to clean",
    )


def add_embeddings_field(ctx: Any, inputs: types.Object) -> None:
    """Add the field that holds embeddings; a dataset without one is told what to do first."""
    chosen = settings.resolve(ctx.dataset, ctx.params)
    fields = settings.embeddings_fields(ctx.dataset, chosen.label_field)
    if not fields:
        refuse(
            inputs,
            "no_embeddings",
            "This dataset has no embeddings yet",
            "Run “Compute embeddings” first.",
        )
        return
    known = chosen.embeddings_field
    choice(
        inputs,
        "embeddings_field",
        fields,
        label="Embeddings field",
        default=known if known in fields else fields[0],
        description="Vectors of the images",
    )


def add_test_tag(ctx: Any, inputs: types.Object) -> None:
    """Add the tag of the held-out split."""
    tags = settings.sample_tags(ctx.dataset)
    known = settings.resolve(ctx.dataset).test_tag
    choice(
        inputs,
        "test_tag",
        [settings.NO_TEST_SPLIT, *tags],
        label="Test split",
        default=known if known in tags else settings.NO_TEST_SPLIT,
        description="Samples with this tag are never queued and never changed",
    )


def add_split(ctx: Any, inputs: types.Object) -> None:
    """Add the choice of the test split, where there is one; it is never the default."""
    tag = settings.resolve(ctx.dataset).test_tag
    if tag not in settings.sample_tags(ctx.dataset):
        return
    view = types.DropdownView()
    for value, label in _SPLITS.items():
        view.add_choice(value, label=label)
    inputs.enum("split", view.values(), label="Labels", default="train", view=view)
    if ctx.params.get("split") == "test":
        warn(
            inputs,
            "yardstick",
            "The labels of the test split will change",
            "Held-out AUROC from before and after is not measured with the same yardstick.",
        )


def add_class(ctx: Any, inputs: types.Object, default: str | None, **options: Any) -> None:
    """Add the choice of a class of the label field."""
    field_name = settings.resolve(ctx.dataset, ctx.params).label_field
    classes = ctx.dataset.distinct(f"{field_name}.label")
    choice(inputs, "class_of_interest", classes, label="Class", default=default, **options)


def add_scope(ctx: Any, inputs: types.Object, default: str) -> str:
    """Add the choice between a class and the whole dataset; return what is chosen."""
    view = types.DropdownView()
    for value, label in _SCOPES.items():
        view.add_choice(value, label=label)
    inputs.enum("scope", view.values(), label="What to review", default=default, view=view)
    return str(ctx.params.get("scope") or default)


def add_what(ctx: Any, inputs: types.Object, default: str) -> None:
    """Add what a round is drawn from: the whole dataset, or classes of it."""
    if add_scope(ctx, inputs, default) == "dataset":
        inputs.int(
            "max_per_class",
            label="Samples of one class at most",
            description="Empty: half of them, so that one class does not fill the round",
            min=1,
        )
        return
    add_class(
        ctx,
        inputs,
        None,
        required=False,
        description="Empty: that of the last round, or at first the most confused class",
    )
    inputs.list(
        "more_classes",
        types.String(),
        label="Further classes",
        description="The round is split evenly among all of them",
    )


def asked(params: dict[str, Any]) -> dict[str, Any]:
    """Return scope and classes of the form; what it leaves to the loop is None."""
    if params.get("scope") == "dataset":
        # The form may still hold the class that was chosen before the scope.
        return {"scope": "dataset", "max_per_class": params.get("max_per_class")}
    names = [params.get("class_of_interest"), *(params.get("more_classes") or ())]
    classes = [name for name in names if name] or None
    return {"scope": params.get("scope"), "class_of_interest": classes}


def add_round_size(ctx: Any, inputs: types.Object, default: int) -> None:
    """Add how many labels a round holds, and how many of them are drawn at random."""
    inputs.int("n", label="Samples", default=default, min=1)
    inputs.int(
        "controls",
        label="Controls among them",
        description="Random samples, to estimate how many errors the class holds",
        default=5,
        min=0,
    )
    given = ctx.params.get("controls", 5), ctx.params.get("n", default)
    if all(isinstance(number, int) for number in given) and given[0] > given[1]:
        prop = inputs.get_property("controls")
        prop.invalid = True
        prop.error_message = "There can't be more controls than samples."


def check_scored(ctx: Any, inputs: types.Object) -> bool:
    """Tell whether importance is there; refuse in the form if not."""
    if loop_for(ctx).is_scored():
        return True
    refuse(
        inputs,
        "no_importance",
        "Importance has not been computed yet",
        "Run “Compute importance” first.",
    )
    return False


def check_unlocked(ctx: Any, inputs: types.Object) -> bool:
    """Tell whether labels can be changed; refuse in the form if not."""
    loop = loop_for(ctx)
    try:
        loop.check_unlocked()
    except CleaningError as error:
        refuse(inputs, "locked", "The labels are read-only", str(error))
        return False
    return True


def warn_if_not_persistent(ctx: Any, inputs: types.Object) -> None:
    """Say in a form that the dataset will be gone, and its answers with it."""
    if not ctx.dataset.persistent:
        warn(inputs, "not_persistent", *NOT_PERSISTENT)


def check_server(ctx: Any, inputs: types.Object) -> bool:
    """Tell whether a Label Studio server is named; refuse in the form if not."""
    if ctx.secret(URL) and ctx.secret(KEY):
        return True
    refuse(inputs, "no_server", "No Label Studio server is set", NO_SERVER)
    return False
