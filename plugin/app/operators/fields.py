"""What the forms of several operators hold: their fields, and what keeps them from being sent."""

from __future__ import annotations

from typing import Any

from fiftyone.operators import types

from ...core.errors import CleaningError
from ...core.review.scope import OTHER_YARDSTICK, TEST_SPLIT, TRAIN_SPLIT
from .. import settings
from ..context import KEY, NOT_PERSISTENT, URL, loop_for

NO_SERVER = (
    f"Set {URL} and {KEY} in the environment of the FiftyOne server and restart it. The key is "
    "in Label Studio under Account & Settings."
)

_SPLITS = {
    TRAIN_SPLIT: "All but the test split",
    TEST_SPLIT: "The test split, in rounds of its own",
}
_SCOPES = {"class": "One class, or some", "dataset": "The whole dataset"}


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
    inputs.enum("split", view.values(), label="Labels", default=TRAIN_SPLIT, view=view)
    if ctx.params.get("split") == TEST_SPLIT:
        warn(
            inputs,
            "yardstick",
            "The labels of the test split will change",
            OTHER_YARDSTICK,
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
