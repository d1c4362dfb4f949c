"""The panel "Label cleaning": where am I, what is next, what has it brought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from . import panel_charts as charts
from . import panel_facts as facts_of
from .core.errors import CleaningError
from .operators import settings
from .operators.base import PLUGIN, loop_for

_STEPS = ("Embeddings", "Importance", "Review", "Evaluation")
_NO_BAR = {"displayModeBar": False, "responsive": True}


@dataclass(frozen=True)
class Step:
    """One step of the loop as the panel shows it.

    Attributes
    ----------
    position : int
        Index in the row of steps.
    title, text : str
        What is so and what to do.
    button, operator : str
        The primary button and the operator whose form it opens.
    needs_server : bool
        Whether the button is of no use without Label Studio.
    """

    position: int
    title: str
    text: str
    button: str
    operator: str
    needs_server: bool = False


class LabelCleaningPanel(foo.Panel):  # type: ignore[misc]
    """The whole loop in one panel; every button opens the form of an operator."""

    @property
    def config(self) -> foo.PanelConfig:
        """How the App lists the panel."""
        return foo.PanelConfig(
            name="label_cleaning",
            label="Label cleaning",
            icon="cleaning_services",
            surfaces="grid",
            help_markdown="Find wrong labels by coreset importance, have them reviewed in Label "
            "Studio, and see what it brings.",
        )

    # ---- events

    def on_load(self, ctx: Any) -> None:
        """Read where the dataset stands."""
        self.refresh(ctx)

    def on_change_dataset(self, ctx: Any) -> None:
        """Read where the new dataset stands."""
        self.refresh(ctx)

    def refresh(self, ctx: Any) -> None:
        """Read it again; whatever goes wrong is shown in the panel."""
        try:
            facts = facts_of.collect(ctx)
        except CleaningError as error:
            facts = {"step": "error", "text": facts_of.sentence(error)}
        ctx.panel.set_state("facts", facts)

    def open_form(self, ctx: Any) -> None:
        """Open the form of the operator that the clicked button names."""
        ctx.prompt(
            f"{PLUGIN}/{ctx.params['operator']}",
            params=ctx.params.get("preset") or {},
            on_success=self.refresh,
        )

    def choose_label_field(self, ctx: Any) -> None:
        """Work on another label field."""
        settings.remember(
            ctx.dataset, settings.resolve(ctx.dataset, {"label_field": ctx.params["value"]})
        )
        self.refresh(ctx)

    def open_cell(self, ctx: Any) -> None:
        """Open the review queue of the predicted class of the clicked cell."""
        self._show_queue(ctx, ctx.params["x"])

    def open_queue(self, ctx: Any) -> None:
        """Open the review queue of the class of interest."""
        self._show_queue(ctx, ctx.params["class_of_interest"])

    def show_round(self, ctx: Any) -> None:
        """Show the samples of a round in the grid."""
        from .store import names

        row = ctx.panel.get_state("facts")["rounds"][ctx.params["row"]]
        ctx.ops.set_view(name=names.round_view_name(row["round"]))

    def undo_round(self, ctx: Any) -> None:
        """Open the form that undoes or redoes a round."""
        row = ctx.panel.get_state("facts")["rounds"][ctx.params["row"]]
        ctx.prompt(f"{PLUGIN}/undo_round", params={"round": row["round"]}, on_success=self.refresh)

    def _show_queue(self, ctx: Any, class_of_interest: str) -> None:
        try:
            view = loop_for(ctx).queue_view(class_of_interest)
        except CleaningError as error:
            ctx.ops.notify(facts_of.sentence(error), variant="error")
            return
        ctx.ops.set_view(view=view)
        ctx.ops.notify(
            f"Unreviewed samples labeled {class_of_interest}, most important first", "success"
        )

    # ---- layout

    def render(self, ctx: Any) -> types.Property:
        """Lay the facts out; nothing is read or computed here."""
        panel = types.Object()
        facts = ctx.panel.get_state("facts") or {"step": "loading"}
        body = panel.v_stack("body", gap=2, columns=1, width="100%", px=2, py=1)
        step = facts["step"]
        if step in _MESSAGES:
            title, text = _MESSAGES[step]
            body.md(f"##### {title}\n\n{facts.get('text', text)}", name="message")
            if step == "error":
                body.btn("retry", "Try again", on_click=self.refresh, variant="contained")
            return types.Property(panel, view=types.GridView(width="100%"))
        self._status(body, facts)
        self._confusion(body, facts)
        if facts.get("auroc"):
            body.md(f"###### AUROC, {facts['auroc'][-1]['what']}", name="auroc_title")
            _plot(body, "auroc", *charts.auroc(facts["auroc"]))
        reviewed = [row for row in facts.get("rounds", []) if row["reviewed"]]
        if reviewed:
            body.md("###### What the reviewers decided", name="verdicts_title")
            _plot(body, "verdicts", *charts.verdicts(reviewed))
        if facts.get("rounds"):
            self._table(body, facts["rounds"])
        return types.Property(panel, view=types.GridView(width="100%"))

    def _status(self, body: types.Object, facts: dict[str, Any]) -> None:
        step = _step(facts)
        trail = " → ".join(
            f"**{name}**" if i == step.position else f"✓ {name}" if i < step.position else name
            for i, name in enumerate(_STEPS)
        )
        body.md(f"{trail}\n\n##### {step.title}\n\n{step.text}", name="status")
        for i, run in enumerate(facts["running"]):
            share = "" if run["progress"] is None else f" {run['progress']:.0%}"
            body.md(f"⏳ {run['name']}: {run['state']}{share}", name=f"run_{i}")
        blocked = step.needs_server and facts["server"]["state"] != "ok"
        if blocked:
            title = _SERVER_TITLES[facts["server"]["state"]]
            body.view("server", types.Warning(label=title, description=facts["server"]["text"]))
        first = body.h_stack("first", gap=1)
        if blocked:
            first.btn(
                "primary",
                "Check again",
                icon="refresh",
                variant="contained",
                on_click=self.refresh,
            )
        else:
            first.btn(
                "primary",
                step.button,
                variant="contained",
                on_click=self.open_form,
                params={"operator": step.operator},
            )
            first.btn(
                "refresh", "Refresh", icon="refresh", variant="outlined", on_click=self.refresh
            )
        opened = [row for row in facts.get("rounds", []) if row["state"] == "open" and row["url"]]
        if opened:
            first.btn(
                "label_studio",
                "Open Label Studio",
                icon="open_in_new",
                variant="outlined",
                href=opened[-1]["url"],
            )
        second = body.h_stack("second", gap=1)
        for name, label, operator in _secondary(facts, step):
            second.btn(
                name,
                label,
                variant="outlined",
                on_click=self.open_form,
                params={"operator": operator},
            )
        if len(facts["label_fields"]) > 1:
            choices = types.DropdownView(space=6)
            for name in facts["label_fields"]:
                choices.add_choice(name, label=name)
            body.enum(
                "label_field",
                choices.values(),
                label="Label field",
                default=facts["label_field"],
                view=choices,
                on_change=self.choose_label_field,
            )

    def _confusion(self, body: types.Object, facts: dict[str, Any]) -> None:
        found = facts["confusion"]
        if not found:
            return
        shown = len(found["classes"])
        some = "" if shown == found["n_classes"] else f" (the {shown} most confused classes)"
        body.md(
            f"###### Confusion{some}\n\n{found['rate']:.1%} of **{found['rival']}** is taken for "
            f"**{found['class_of_interest']}**. Click a cell to open the queue of the predicted "
            "class, most suspicious labels first.",
            name="confusion_title",
        )
        data, layout = charts.confusion(found)
        _plot(body, "confusion", data, layout, on_click=self.open_cell)

    def _table(self, body: types.Object, rounds: list[dict[str, Any]]) -> None:
        body.md("###### Rounds", name="rounds_title")
        # The App's tables are at least 650 pixels wide, wider than half a window leaves.
        table = types.TableView(size="small", componentsProps={"table": {"sx": {"minWidth": 0}}})
        for key, label in _COLUMNS.items():
            table.add_column(key, label=label)
        table.add_row_action("show", self.show_round, icon="grid_view", tooltip="Show in the grid")
        table.add_row_action("undo", self.undo_round, icon="undo", tooltip="Undo or redo")
        body.list(
            "rounds",
            types.Object(),
            view=table,
            default=[
                {
                    "round": str(row["round"]),
                    "class": row["class"],
                    "reviewed": f"{row['reviewed']} of {row['size']}",
                    "wrong": str(row["relabeled"] + row["deleted"]),
                    "controls": f"{row['control_errors']} of {row['n_controls']}",
                    "state": row["state"],
                }
                for row in rounds
            ],
        )


_COLUMNS = {
    "round": "Round",
    "class": "Class",
    "reviewed": "Reviewed",
    "wrong": "Wrong",
    "controls": "Wrong controls",
    "state": "State",
}

_MESSAGES = {
    "loading": ("Reading the dataset …", ""),
    "error": ("Something is not right", ""),
    facts_of.NO_DATASET: ("No dataset is open", "Choose one above."),
    facts_of.NO_LABELS: (
        "This dataset has no labels to clean",
        "The loop cleans a sample field of type Classification. Import the labels first, then "
        "open this panel again.",
    ),
}

_SERVER_TITLES = {
    "no_key": "No Label Studio server is set",
    "refused": "Label Studio does not accept the key",
    "down": "Label Studio does not answer",
}


def _step(facts: dict[str, Any]) -> Step:
    """Choose the next sensible step."""
    name, rounds = facts["step"], facts.get("rounds", [])
    last = rounds[-1] if rounds else {}
    if name == facts_of.NO_EMBEDDINGS:
        return Step(
            0,
            "Start with embeddings",
            "A pre-trained network turns every image into a vector.",
            "Compute embeddings",
            "compute_embeddings",
        )
    if name == facts_of.NO_IMPORTANCE:
        return Step(
            1,
            "Score the labels",
            "How much does each label sway a classifier? The highest are looked at first.",
            "Compute importance",
            "compute_importance",
        )
    if name == facts_of.READY and not facts["confusion"]:
        return Step(
            2,
            "Which class to clean?",
            "The confusion matrix on held-out data shows where labels go wrong.",
            "Find confused classes",
            "find_confused_classes",
        )
    if name == facts_of.READY:
        return Step(
            2,
            f"Review the class {facts['confusion']['class_of_interest']}",
            "Its most suspicious samples go to Label Studio as the first round.",
            "Push round 1",
            "push_round",
            needs_server=True,
        )
    if name == facts_of.OPEN:
        return Step(
            2,
            f"Round {last['round']} is in review",
            f"{last['reviewed']} of {last['size']} answered at the last pull.",
            "Pull reviews",
            "pull_reviews",
            needs_server=True,
        )
    if name == facts_of.PULLED:
        errors = last["relabeled"] + last["deleted"]
        return Step(
            3,
            f"Round {last['round']} is answered",
            f"{errors} of {last['reviewed']} labels were wrong. What has it brought?",
            "Evaluate",
            "evaluate_round",
        )
    reasons = " ".join(facts["reasons"])
    if name == facts_of.GO_ON:
        return Step(
            2,
            "Another round is worth it",
            reasons,
            f"Push round {last['round'] + 1}",
            "push_round",
            needs_server=True,
        )
    return Step(4, "Done: stop here", reasons, "Export the audit", "export_audit")


def _secondary(facts: dict[str, Any], step: Step) -> list[tuple[str, str, str]]:
    """Return what else makes sense now, as (button, label, operator)."""
    scored = facts["step"] not in (facts_of.NO_EMBEDDINGS, facts_of.NO_IMPORTANCE)
    offers = [
        ("confused", "Confusion", "find_confused_classes", scored),
        ("importance", "Importance", "compute_importance", scored),
        ("pull", "Pull reviews", "pull_reviews", bool(facts.get("rounds"))),
        ("push", "Push a round", "push_round", facts["step"] == facts_of.DONE),
        ("evaluate", "Evaluate", "evaluate_round", scored and facts["step"] != facts_of.OPEN),
        ("check", "Check setup", "check_setup", facts["server"]["state"] != "ok"),
    ]
    return [
        (n, label, op)
        for n, label, op, makes_sense in offers
        if makes_sense and op != step.operator
    ]


def _plot(body: types.Object, name: str, data: Any, layout: Any, **events: Any) -> None:
    # By itself a plot's frame is as high as the whole panel.
    frame = {"container": {"sx": {"height": f"{layout['height']}px", "width": "100%"}}}
    body.plot(
        name,
        data=data,
        layout=layout,
        config=_NO_BAR,
        width="100%",
        componentsProps=frame,
        **events,
    )
