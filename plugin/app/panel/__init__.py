"""The panel "Label cleaning": where am I, what is next, what has it brought."""

from __future__ import annotations

from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types
from fiftyone.operators.categories import Categories

from ...core.errors import CleaningError, sentence
from ...core.review.states import RoundState
from .. import layout, settings
from ..context import PLUGIN, loop_for, show_queue
from ..loop_panel import LoopPanel
from ..server import ServerState
from . import facts as facts_of
from . import shelf
from .steps import (
    MESSAGES,
    STEPS,
    Stage,
    Step,
    blocked,
    failure,
    next_step,
    secondary,
    warnings,
)

# How often to look again: at runs in the background, at a count of all samples, and for the answer
# of a slow server.
_RUN_MILLISECONDS = 3000
_COUNT_MILLISECONDS = 1000
_SERVER_MILLISECONDS = {ServerState.UNKNOWN: 1000, ServerState.DOWN: 10_000}


class LabelCleaningPanel(LoopPanel):
    """The whole loop in one panel; every button opens the form of an operator."""

    @property
    def config(self) -> foo.PanelConfig:
        """How the App lists the panel."""
        return foo.PanelConfig(
            name="label_cleaning",
            label="Label cleaning",
            icon="cleaning_services",
            surfaces="grid",
            category=Categories.CURATE,
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
        """Read it again."""
        self._read(ctx)

    def check_again(self, ctx: Any) -> None:
        """Read it again, and ask the server again whatever is known of it."""
        self._read(ctx, anew=True)

    def poll(self, ctx: Any) -> None:
        """Look at what changes by itself, and read everything again when it has."""
        if facts_of.have_changed(ctx, ctx.panel.get_state("facts")):
            self._read(ctx)

    def _read(self, ctx: Any, *, anew: bool = False) -> None:
        """Read where the dataset stands; whatever goes wrong is shown in the panel."""

        def read() -> dict[str, Any]:
            try:
                return facts_of.collect(ctx, anew=anew)
            except CleaningError as error:
                return failure(error.what, error.fix)
            except Exception as error:
                # An event that fails leaves a blank panel: here the user can read it and try again.
                return failure(f"{type(error).__name__}: {error}", "")

        self.draw(ctx, "facts", read)

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
        row = ctx.panel.get_state("facts")["rounds"][ctx.params["row"]]
        ctx.ops.set_view(name=row["view"])

    def pull_round(self, ctx: Any) -> None:
        """Open the form that pulls reviews; it pulls for all rounds."""
        ctx.prompt(f"{PLUGIN}/pull_reviews", on_success=self.refresh)

    def undo_round(self, ctx: Any) -> None:
        """Open the form that undoes or redoes a round."""
        row = ctx.panel.get_state("facts")["rounds"][ctx.params["row"]]
        ctx.prompt(f"{PLUGIN}/undo_round", params={"round": row["round"]}, on_success=self.refresh)

    def _show_queue(self, ctx: Any, class_of_interest: str) -> None:
        try:
            n = show_queue(ctx, loop_for(ctx), class_of_interest)
        except CleaningError as error:
            ctx.ops.notify(sentence(str(error)), variant="error")
            return
        ctx.ops.notify(
            f"{n} unreviewed samples labeled {class_of_interest}, most important first", "success"
        )

    # ---- layout

    def render(self, ctx: Any) -> types.Property:
        """Lay the facts out; nothing is read or computed here."""
        panel = types.Object()
        facts = ctx.panel.get_state("facts") or {"step": Stage.LOADING.value}
        body = layout.body(panel)
        stage = Stage(facts["step"])
        if stage in MESSAGES:
            title, text = MESSAGES[stage]
            body.md(f"##### {title}\n\n{facts.get('text', text)}", name="message")
            if stage is not Stage.LOADING:
                layout.row(body, "first").btn(
                    "refresh", "Refresh", icon="refresh", on_click=self.refresh, variant="outlined"
                )
            return types.Property(panel, view=types.GridView(width="100%"))
        self._status(body, facts, next_step(facts))
        shelf.show(body, facts, self.open_cell)
        if facts.get("rounds"):
            self._table(body, facts)
        return types.Property(panel, view=types.GridView(width="100%"))

    def _status(self, body: types.Object, facts: dict[str, Any], step: Step) -> None:
        trail = " → ".join(
            f"**{name}**" if i == step.position else f"✓ {name}" if i < step.position else name
            for i, name in enumerate(STEPS)
        )
        body.md(f"{trail}\n\n##### {step.title}\n\n{step.text}", name="status")
        self._delegated(body, facts)
        for name, (title, text) in warnings(facts).items():
            body.view(name, types.Warning(label=title, description=text))
        obstacle = blocked(facts, step)
        if obstacle:
            body.view("blocked", types.Warning(label=obstacle[0], description=obstacle[1]))
        first = layout.row(body, "first")
        if obstacle:
            first.btn(
                "primary",
                "Check again",
                icon="refresh",
                variant="contained",
                on_click=self.check_again,
            )
        else:
            first.btn(
                "primary",
                step.button,
                variant="contained",
                on_click=self.open_form,
                params={"operator": step.operator, "preset": step.preset},
            )
            first.btn(
                "refresh", "Refresh", icon="refresh", variant="outlined", on_click=self.refresh
            )
        opened = [
            row
            for row in facts.get("rounds", [])
            if row["state"] == RoundState.OPEN.value and row["url"]
        ]
        if opened:
            first.btn(
                "label_studio",
                "Open Label Studio",
                icon="open_in_new",
                variant="outlined",
                href=opened[-1]["url"],
            )
        second = layout.row(body, "second")
        for name, label, operator in secondary(facts, step):
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

    def _delegated(self, body: types.Object, facts: dict[str, Any]) -> None:
        for i, run in enumerate(facts["running"]):
            share = "" if run["progress"] is None else f" {run['progress']:.0%}"
            label = f", {run['label']}" if run["label"] else ""
            body.md(
                f"In the background: **{run['name']}**: {run['state']}{share}{label}",
                name=f"run_{i}",
            )
        for i, run in enumerate(facts["failed"]):
            body.view(
                f"failed_{i}",
                types.Error(label=f"{run['name']} failed", description=run["text"]),
            )
        waits = [_RUN_MILLISECONDS] if facts["running"] else []
        waits += [_COUNT_MILLISECONDS] if facts.get("counting") else []
        waits += filter(None, [_SERVER_MILLISECONDS.get(ServerState(facts["server"]["state"]))])
        # Older versions of FiftyOne have no timer: there, Refresh shows the progress.
        if waits and hasattr(types, "TimerView"):
            interval = min(waits)
            body.view("timer", types.TimerView(interval=interval, on_interval=self.poll))

    def _table(self, body: types.Object, facts: dict[str, Any]) -> None:
        rounds = facts["rounds"]
        cost = f"\n\n{facts['meter']}" if facts.get("meter") else ""
        body.md(f"###### Rounds{cost}", name="rounds_title")
        table = layout.table(_COLUMNS)
        table.add_row_action("show", self.show_round, label="Open in the grid", icon="grid_view")
        if not facts["locked"]:
            table.add_row_action(
                "pull", self.pull_round, label="Pull reviews", icon="cloud_download"
            )
            table.add_row_action("undo", self.undo_round, label="Undo or redo", icon="undo")
        body.list(
            "rounds",
            types.Object(),
            view=table,
            default=[
                {
                    "round": str(row["round"]),
                    "class": row["class"],
                    "reviewed": f"{row['reviewed']} of {row['size']}",
                    "wrong": str(row["errors"]),
                    "controls": f"{row['control_errors']} of {row['n_controls']}",
                    "pace": _pace(row),
                    "state": row["state"],
                }
                for row in rounds
            ],
        )
        # A table's actions can't open another page.
        links = [f"[round {row['round']}]({row['url']})" for row in rounds if row["url"]]
        if links:
            body.md(f"Open in Label Studio: {', '.join(links)}", name="links")


_COLUMNS = {
    "round": "Round",
    "class": "Class",
    "reviewed": "Reviewed",
    "wrong": "Wrong",
    "controls": "Wrong controls",
    "pace": "Seconds an image",
    "state": "State",
}


def _pace(row: dict[str, Any]) -> str:
    value = row["seconds_per_image"]
    return "" if value is None else f"{value:.1f}"
