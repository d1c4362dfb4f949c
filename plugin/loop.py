"""The cleaning loop: every use case is one method here; App, command line and scripts call it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .core.errors import DataError
from .core.judging.confusion import ConfusedPair
from .core.judging.meter import Meter
from .core.judging.plan import Plan
from .core.judging.stopping import StopDecision
from .core.judging.tally import ImportanceBar, importance_bars
from .core.judging.yields import BudgetPoint, YieldReport
from .core.review.grid import GridPage, Mark, Question
from .core.review.scope import TRAIN_SPLIT
from .core.review.sheets import check_sheet
from .desks.app import Answer
from .exports.training import TrainingSet
from .reports import (
    CloseReport,
    CoresetReport,
    Coverage,
    EmbeddingReport,
    EvaluationReport,
    ExportReport,
    ImportanceReport,
    Overview,
    PullReport,
    RoundReport,
)
from .store import appearance, embedding_run, names, views
from .store.kinds import label_field as open_label_field
from .store.rounds import RoundStore
from .store.samples import Samples
from .usecases import (
    audit,
    check_data,
    check_setup,
    close,
    confuse,
    embed,
    evaluate,
    export_cleaned,
    grid,
    pictures,
    plan,
    propose,
    pull,
    push,
    rescore,
    run,
    score,
    undo,
    wait,
    yields,
)
from .usecases.check_setup import Finding
from .usecases.draw import Wanted
from .usecases.workspace import Workspace

Progress = Callable[[float, str], None]


class CleaningLoop:
    """Finds and fixes wrong labels of a FiftyOne dataset, round by round.

    Parameters
    ----------
    dataset_or_view : fiftyone.Dataset or fiftyone.DatasetView
        What is cleaned; samples outside a view are never read or changed.
    label_field : str, default "ground_truth"
        A ``Classification`` field, or one of ``Detections``: then each object's class is cleaned,
        as docs/objects.md describes.
    embeddings_field : str, default "resnet18_embedding"
        Where the embeddings are or will be; any existing vector field will do.
    test_tag : str or None, default "test"
        Tag of the held-out split: never queued, never changed. Without such samples, confusion
        comes from out-of-fold predictions and there is no held-out AUROC.
    random_state : int, default 0
        Seed of everything random.
    prefix : str, optional
        Comes before the names of our fields, tags and views: the way out where the dataset has
        something of that name. Default: that of the first scoring, else none.
    split : {"train", "test"}, default "train"
        What is scored, queued and changed. With "test" it is the test split, in rounds of its own
        that no other loop knows of; score the rest first. Held-out AUROC from before and after is
        not measured with the same yardstick then, and evaluations say so.

    Raises
    ------
    DataError
        When the label field does not exist or its labels can't be cleaned, or the view consists
        of something else than samples.

    Examples
    --------
    >>> loop = CleaningLoop(dataset, label_field="ground_truth")  # doctest: +SKIP
    >>> loop.compute_embeddings(); loop.compute_importance()  # doctest: +SKIP
    """

    def __init__(
        self,
        dataset_or_view: Any,
        label_field: str = "ground_truth",
        embeddings_field: str = names.EMBEDDINGS,
        test_tag: str | None = "test",
        random_state: int = 0,
        prefix: str | None = None,
        split: str = TRAIN_SPLIT,
    ) -> None:
        samples = Samples(dataset_or_view, test_tag, split)
        labels = open_label_field(samples, label_field, embeddings_field, prefix)
        store = RoundStore(samples.dataset, label_field, split)
        self._work = Workspace(samples, labels, store, random_state)

    @property
    def samples(self) -> Samples:
        """The samples that are cleaned."""
        return self._work.samples

    @property
    def labels(self) -> Any:
        """The label field, with the names of what stands beside the labels."""
        return self._work.labels

    @property
    def rounds(self) -> RoundStore:
        """What is on record of the rounds."""
        return self._work.store

    @property
    def random_state(self) -> int:
        """Seed of everything random."""
        return self._work.random_state

    # ---- embeddings and importance

    def compute_embeddings(
        self,
        model: Any = "resnet18",
        weights: str | os.PathLike[str] | None = None,
        batch_size: int | None = None,
        num_workers: int | None = None,
        *,
        image_size: int | None = None,
        path_field: str = "filepath",
        engine: str = "local",
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> EmbeddingReport:
        """Compute the embeddings that are missing; kill it anywhere and call it again.

        Parameters
        ----------
        model : str or object, default "resnet18"
            Any torchvision classifier, or "efficientnet-lite0" of the extra ``offline``; or an
            object with ``embed_all`` or ``embed``, such as a model of FiftyOne's zoo.
        weights : path, optional
            A state dict (.pth, .safetensors). Default: torchvision's (IMAGENET1K_V1 for resnet18).
        batch_size, num_workers : int, optional
            Images at a time, and processes that decode (with Ray: actors). Default: found for the
            machine.
        image_size : int, optional
            Side of the network's input in pixels; the whole shorter side of an image is seen.
            Default: that of the weights, 224, with the margin that they cut away.
        path_field : str, default "filepath"
            A string field with the images' paths, or URIs such as ``s3://bucket/key``.
        engine : {"local", "ray"}, default "local"
            Where to compute; "ray" needs the extra ``ray`` and a cluster, see docs/scaling.md.
        overwrite : bool, default False
            Whether to compute all vectors anew. The old ones stay until all new ones are there.
        progress : callable(fraction, message), optional
            Called after every batch.

        Returns
        -------
        EmbeddingReport
            With the images that could not be read: they are tagged, and have no vector.

        Raises
        ------
        WeightsError
            When the weights can't be had. Random ones are never used instead.
        DataError
            When the field holds vectors of another network.
        """
        return embed.compute_embeddings(
            self.labels,
            model,
            weights,
            batch_size,
            num_workers,
            image_size=image_size,
            path_field=path_field,
            engine=engine,
            overwrite=overwrite,
            progress=progress,
        )

    def compute_importance(
        self,
        progress: Progress | None = None,
        *,
        engine: str = "local",
        num_workers: int | None = None,
        probabilities_field: str | None = None,
    ) -> ImportanceReport:
        """Score every label outside the test split; later calls start from the last fit.

        Verdicts that are on record are evidence: what reviewed labels turned out to be teaches how
        the others go wrong.

        Parameters
        ----------
        progress : callable(fraction, message), optional
            Called now and then.
        engine : {"local", "ray"}, default "local"
            Where to compute; "ray" needs the extra ``ray`` and a cluster, see docs/scaling.md.
        num_workers : int, optional
            With Ray: actors that hold the embeddings. Default: one for each CPU of the cluster.
        probabilities_field : str, optional
            What a network of your own predicts, as one more signal: a ``Classification`` field
            with logits, or a vector field of probabilities. Best of a network that has not seen
            these labels (out-of-fold); the report says when it seems to have.

        Returns
        -------
        ImportanceReport

        Raises
        ------
        DataError
            When there are no embeddings or fewer than two classes, or the dataset has a field, tag
            or view of its own under a name of ours.
        """
        return score.compute_importance(
            self._work, progress, engine, num_workers, probabilities_field
        )

    def sample_coreset(self, m: int) -> CoresetReport:
        """Tag a weighted coreset: few samples on which training gives nearly the same model.

        Parameters
        ----------
        m : int
            Number of draws, with replacement.

        Returns
        -------
        CoresetReport
            The samples carry the tag ``coreset`` and the field ``coreset_weight``.
        """
        return score.sample_coreset(self._work, m)

    # ---- what to look at

    def is_scored(self) -> bool:
        """Tell whether importance has been computed."""
        return bool(self.labels.is_scored())

    def score_record(self) -> dict[str, Any] | None:
        """Return what the scores rest on (embeddings, network, scorer, classes, time), or None."""
        return self.labels.score_record()  # type: ignore[no-any-return]

    def taken_names(self) -> list[str]:
        """Return what the dataset has of its own under names of ours, in words."""
        return self.labels.taken_names()  # type: ignore[no-any-return]

    def recorded_network(self) -> dict[str, Any] | None:
        """Return what is on record of the network that filled the embeddings field."""
        return embedding_run.recorded_network(self.samples.dataset, self.labels.embeddings_field)

    def find_confused_pair(self) -> ConfusedPair:
        """Return the two classes that are confused most often.

        Measured on the test split; without one, on out-of-fold predictions.
        """
        return confuse.find_confused_pair(self._work)

    def queue_view(
        self,
        class_of_interest: str | None = None,
        limit: int | None = None,
        *,
        scope: str | Sequence[str] | None = None,
    ) -> Any:
        """Return unreviewed samples, most important first, and save that view.

        Parameters
        ----------
        class_of_interest : str, optional
            Of this class.
        limit : int, optional
            So many at most. Default: all; those that are saved always hold all.
        scope : "dataset" or list of str, optional
            Instead of a class: of the whole dataset, or of several classes, whose views are saved
            one by one.
        """
        return confuse.queue_view(self._work, class_of_interest, scope, limit)

    def plan(self, budget: int = 300) -> Plan:
        """Say how many wrong labels the next reviews will find, and where they are worth most.

        Before the first round by the scores alone, afterwards by verdicts and controls, too.

        Parameters
        ----------
        budget : int, default 300
            Reviews to plan, spent on the most important labels of the whole dataset or of a class.

        Returns
        -------
        Plan
            For the whole dataset and each class: wrong labels among the next reviews and among all
            that are left, with 95 % intervals; and how many reviews the rest would take.

        Raises
        ------
        DataError
            When there are no scores, or those of a version that did not keep how likely labels
            are wrong.
        """
        return plan.plan(self._work, budget)

    # ---- rounds

    def push_round(
        self,
        server: Any,
        n: int = 50,
        controls: int = 5,
        *,
        scope: str | Sequence[str] | None = None,
        class_of_interest: str | Sequence[str] | Mapping[str, int] | None = None,
        max_per_class: int | None = None,
        gold: int = 0,
        images: str = "upload",
        images_root: str | os.PathLike[str] | None = None,
        reviewers_per_task: int = 1,
        hide_suggestion: bool = False,
        new_classes: Sequence[str] = (),
        sheet: int = 0,
        examples: int = 4,
        context: str = "crop",
        progress: Progress | None = None,
    ) -> RoundReport:
        """Give the next batch to reviewers, or complete the round that is open.

        Parameters
        ----------
        server : LabelStudioServer or Desk
            Where the reviewers are: a Label Studio server, or ``AppDesk()`` for a round that is
            answered in the App or by `record_verdicts`.
        n : int, default 50
            Samples in the batch, controls included.
        controls : int, default 5
            Random samples of the class, or of the whole dataset, among them, to measure its noise
            rate.
        scope : {"class", "dataset"} or list of str, optional
            What the batch is drawn from: the most confused class, as published; the whole dataset,
            most important first; or these classes. Default: as in the round before; in the first
            round, "class".
        class_of_interest : str, list of str or dict of str to int, optional
            A class, or several among which the batch is split evenly, or the samples of each,
            whose sum is `n` then. Default: as in the round before; in the first round, the most
            confused class.
        max_per_class : int, optional
            With scope "dataset": samples of one class at most, while others are left. Default:
            half of `n`, or twice an even share where there are fewer than four classes.
        gold : int, default 0
            So many images more, shown among the others under a label that they don't have, to see
            how many wrong labels reviewers miss. Their answers change nothing but `meter`.
        images : {"upload", "local", "url"}, default "upload"
            How reviewers' browsers get the images.
        images_root : path, optional
            With "local": the folder that Label Studio may serve, seen at the same path by both.
            Default: ``LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT``.
        reviewers_per_task : int, default 1
            Answers wanted for each task.
        hide_suggestion : bool, default False
            Whether to keep the suggested class from the reviewers.
        new_classes : sequence of str, optional
            Classes that reviewers may give although no sample has them yet and the dataset does
            not list them. The dataset lists one as soon as a reviewer gives it.
        sheet : int, default 0
            Images on a page, at most, all of one given label: 20 are reviewed at a glance. 0 shows
            one at a time.
        examples : int, default 4
            Sure images of the class that pages show beside those under review; 0 shows none.
        context : {"crop", "image"}, default "crop"
            Of objects, what a picture in Label Studio shows: the object and a little of what is
            around it, or the whole image. Its box is drawn in both.
        progress : callable(fraction, message), optional
            Called after every chunk.

        Returns
        -------
        RoundReport

        Raises
        ------
        ServerError
            When Label Studio can't be reached or refuses; a round that was begun is completed by
            calling this again.
        RoundError
            When the class or dataset has no unreviewed samples left.
        """
        options = _options(
            images,
            images_root,
            reviewers_per_task,
            hide_suggestion,
            new_classes,
            sheet,
            examples,
            context,
        )
        return push.push_round(
            self._work,
            server,
            n,
            controls,
            asked=Wanted(scope, class_of_interest, max_per_class, gold),
            options=options,
            progress=progress,
        )

    def pull_reviews(self, server: Any, *, rescore: bool = False) -> PullReport:
        """Fetch the reviewers' answers and write them to labels, tags and weights.

        Call it as often as you like: every answer is applied once, and a later edit at the desk
        changes the verdict. An answer about a label that has changed since is reported only.

        Parameters
        ----------
        server : LabelStudioServer or AppDesk
        rescore : bool, default False
            Whether to score again when something has changed, and to say how many of the next
            labels are new.
        """
        report = pull.pull_reviews(self._work, server)
        return self.rescore(report) if rescore and report.changed else report

    def rescore(self, report: PullReport) -> PullReport:
        """Score again after a pull; return its report with how many of the next labels are new."""
        return rescore.after_pull(self._work, report)

    def record_verdicts(
        self,
        verdicts: Mapping[str, Answer],
        reviewer: str | None = None,
        comments: Mapping[str, str] | None = None,
        *,
        seconds: float | None = None,
    ) -> PullReport:
        """Answer the open round from a script, or correct answers of the one that closed last.

        Parameters
        ----------
        verdicts : mapping of str to str or (str, str)
            Sample id to "keep", "delete", "unsure" or ("relabel", class). Another answer of the
            same reviewer about the same sample edits the first.
        reviewer : str, optional
            Who answers. Default: the operating system's user.
        comments : mapping of str to str, optional
            Sample id to what the reviewer says about it.
        seconds : float, optional
            How long it took to answer them all, for what a review costs.

        Raises
        ------
        RoundError
            When there is no such round, or a sample is not in it.
        DataError
            When one of them is no verdict; none is recorded then.

        Examples
        --------
        >>> loop.push_round(AppDesk(), n=20)  # doctest: +SKIP
        >>> loop.record_verdicts({first: "keep", second: ("relabel", "dog")})  # doctest: +SKIP
        """
        return pull.record_verdicts(self._work, verdicts, reviewer, comments, seconds=seconds)

    def next_page(self, size: int = 20) -> GridPage | None:
        """Return the labels that a person should see next in the App, as many as fit.

        Parameters
        ----------
        size : int, default 20
            Labels on a page.

        Returns
        -------
        GridPage or None
            Of the open round; without labels when all are answered. None when no round is open.

        Raises
        ------
        RoundError
            When the open round is at another desk.
        """
        return grid.next_page(self._work, size)

    def waiting_on_page(self, label_ids: Sequence[str]) -> list[str]:
        """Return which labels that somebody sees still wait for an answer, if it is the next page.

        Parameters
        ----------
        label_ids : sequence of str
            All that is shown, in that order.

        Raises
        ------
        RoundError
            When it is not the page that is next: nobody has looked at the rest.
        """
        return grid.waiting_on_page(self._work, label_ids)

    def commit_page(
        self,
        label_ids: Sequence[str],
        marks: Mapping[str, str],
        others: Mapping[str, Answer] | None = None,
        reviewer: str | None = None,
        seconds: float | None = None,
    ) -> PullReport:
        """Record a page that a person has gone through: what has no mark is right.

        Parameters
        ----------
        label_ids : sequence of str
            All labels that were on the page.
        marks : mapping of str to {"default", "alt"}
            Label id to what was done to it: a click says that the suggested class is right,
            Alt+click that the label is wrong in another way.
        others : mapping of str to verdict, optional
            What the latter are, as for `record_verdicts`.
        reviewer : str, optional
            Who answers. Default: the operating system's user.
        seconds : float, optional
            How long the page was on the screen.

        Raises
        ------
        RoundError
            When a label is not in the open round, a verdict is missing, or what the page says is
            not what an answer or an edit by hand says already; nothing is recorded then.
        """
        found = {label_id: Mark(mark) for label_id, mark in marks.items()}
        return grid.commit_page(self._work, label_ids, found, others or {}, reviewer, seconds)

    def question(self, label_id: str, examples: int = 4) -> Question | None:
        """Return what a person should know to judge one label of the round that is open in the App.

        Parameters
        ----------
        label_id : str
        examples : int, default 4
            Images at most that surely show the given class, and as many of the suggested one.

        Returns
        -------
        Question or None
            None when no round that is open in the App shows the label.
        """
        return grid.question(self._work, label_id, examples)

    def take_back_page(self) -> dict[str, str | None]:
        """Take back the answers that were recorded last, all those of one page.

        Returns
        -------
        dict of str to str or None
            Label id to its mark, as `commit_page` takes them; None where the label was kept.

        Raises
        ------
        RoundError
            When none was recorded in the App.
        """
        marks = grid.take_back_page(self._work)
        return {label_id: mark.value if mark else None for label_id, mark in marks.items()}

    def wait_for_reviews(
        self,
        server: Any,
        seconds: float = 10.0,
        *,
        timeout: float | None = None,
        progress: Progress | None = None,
    ) -> PullReport:
        """Pull again and again until the open round is complete.

        Parameters
        ----------
        server : LabelStudioServer
            Where the reviewers are. When it fails or is away for a while, waiting goes on.
        seconds : float, default 10
            Pause between two pulls.
        timeout : float, optional
            Seconds after which to return with what there is. Default: never.
        progress : callable(fraction, message), optional
            Called after every pull.

        Returns
        -------
        PullReport
            Of the last pull.
        """
        return wait.wait_for_reviews(
            self._work, server, seconds, timeout=timeout, progress=progress
        )

    def run_rounds(
        self,
        server: Any,
        rounds: int = 1,
        n: int = 50,
        controls: int = 5,
        *,
        scope: str | Sequence[str] | None = None,
        class_of_interest: str | Sequence[str] | Mapping[str, int] | None = None,
        max_per_class: int | None = None,
        gold: int = 0,
        images: str = "upload",
        images_root: str | os.PathLike[str] | None = None,
        reviewers_per_task: int = 1,
        hide_suggestion: bool = False,
        new_classes: Sequence[str] = (),
        sheet: int = 0,
        examples: int = 4,
        context: str = "crop",
        seconds: float = 10.0,
        budget: int | None = None,
        report: Callable[[Any], None] | None = None,
        progress: Progress | None = None,
    ) -> StopDecision:
        """Run whole rounds unattended: push, wait for the reviewers, score again, evaluate, decide.

        Parameters
        ----------
        server, n, controls, scope, class_of_interest, max_per_class, gold, images, images_root,
        reviewers_per_task, hide_suggestion, new_classes, sheet, examples, context
            As for `push_round`.
        rounds : int, default 1
            Rounds at most.
        seconds : float, default 10
            Pause between two pulls.
        budget : int, optional
            Stop when so many samples are reviewed.
        report : callable, optional
            Called with the report of each step.
        progress : callable(fraction, message), optional
            Called after every pull.

        Returns
        -------
        StopDecision
            After the last round.
        """
        return run.run_rounds(
            self._work,
            server,
            rounds,
            n,
            controls,
            asked=Wanted(scope, class_of_interest, max_per_class, gold),
            options=_options(
                images,
                images_root,
                reviewers_per_task,
                hide_suggestion,
                new_classes,
                sheet,
                examples,
                context,
            ),
            seconds=seconds,
            budget=budget,
            report=report,
            progress=progress,
        )

    def close_round(
        self,
        server: Any | None = None,
        number: int | None = None,
        *,
        delete_tasks: bool = False,
    ) -> CloseReport:
        """End a round although not every task is answered; the rest may be served again.

        Parameters
        ----------
        server : LabelStudioServer, optional
            Where to pull the last answers from and to delete the round's tab. Default: nothing
            is done there.
        number : int, optional
            A round, closed or not. Default: the open round.
        delete_tasks : bool, default False
            Whether to delete the round's tasks that nobody has answered, skipped or begun.

        Raises
        ------
        RoundError
            When there is no such round.
        """
        return close.close_round(self._work, server, number, delete_tasks)

    def undo_round(self, number: int) -> int:
        """Leave a round's answers out, as if it had never been; return how many samples changed.

        Of a round that is left out already, nothing changes.
        """
        return undo.leave_out(self._work, number)

    def redo_round(self, number: int) -> int:
        """Take an undone round's answers in again; return how many samples changed.

        Raises
        ------
        RoundError
            When it was undone unfinished and another round is open now.
        """
        return undo.take_in(self._work, number)

    def undo_sample(self, number: int, sample_id: str) -> int:
        """Leave a round's answers about one sample out; return how many samples changed."""
        return undo.leave_out(self._work, number, sample_id)

    def redo_sample(self, number: int, sample_id: str) -> int:
        """Take a round's answers about one sample in again; return how many samples changed."""
        return undo.take_in(self._work, number, sample_id)

    def propose_corrections(self) -> list[dict[str, Any]]:
        """List near-duplicates of corrected samples that still carry the wrong label.

        Nothing is changed: look at them, then review or fix them.

        Returns
        -------
        list of dict
            With the keys sample, duplicate_of, cosine, label and proposed (None for delete).
        """
        rows = self.labels.train_rows()
        originals = self.labels.own_columns([f"{self.labels.names.original}.label"])
        first = {i: label for i, (label,) in originals.items()}
        return propose.propose(rows, first, self.rounds.all().states)

    def contradictions(self) -> list[dict[str, Any]]:
        """List identical images, by file or by vector, whose labels differ.

        Returns
        -------
        list of dict
            One per group, with the keys ids, labels (in the same order) and same ("file" or
            "vector").
        """
        return check_data.contradictions(self._work)

    def leaks(self) -> list[dict[str, Any]]:
        """List test samples with a near-duplicate among the training samples, most similar first.

        Returns
        -------
        list of dict
            With the keys test, train (ids), cosine, test_label and train_label. The cosine is that
            of the differences from the mean embedding, and at least 0.98.
        """
        return check_data.leaks(self._work)

    # ---- evaluation

    def evaluate_round(self) -> EvaluationReport:
        """Measure AUROC now and keep it with the latest round, or as the start when there is none.

        Returns
        -------
        EvaluationReport
        """
        return evaluate.evaluate_round(self._work)

    def publish_evaluation(self) -> str:
        """Show the labels as they are now in the App's Model Evaluation panel.

        Every sample outside the test split is predicted by a fit that has not seen it.

        Returns
        -------
        str
            Key of the FiftyOne evaluation; predictions are in the field ``cleaning_prediction``.
        """
        return evaluate.publish_evaluation(self._work)

    def next_step(self, **parameters: Any) -> StopDecision:
        """Say whether another round is worth it, and why; parameters go to `core.next_step`."""
        return evaluate.decide(self._work, **parameters)

    def yields(
        self, class_of_interest: str | None = None, *, scope: str | None = None
    ) -> YieldReport:
        """Say how noisy a class is, how much better than chance its queue is, and what is left.

        Parameters
        ----------
        class_of_interest : str, optional
            Default: what the last round was drawn from, its class or the whole dataset.
        scope : {"class", "dataset"}, optional
            "dataset": of the whole dataset, as far as rounds of it tell; "class": the class that a
            round was drawn from last.

        Returns
        -------
        YieldReport
            Numbers with 95 % intervals; undone and unanswered rounds are left out.
        """
        return yields.yields(self._work, class_of_interest, scope)

    def budget_curve(
        self, class_of_interest: str | None = None, *, scope: str | None = None
    ) -> list[BudgetPoint]:
        """Return wrong labels found against images reviewed, beside a random review.

        Parameters
        ----------
        class_of_interest, scope
            As for `yields`. Of the whole dataset, rounds of a class count as images reviewed, too.
        """
        return yields.budget(self._work, class_of_interest, scope)

    def meter(self) -> Meter:
        """Say what the reviews cost: seconds an image and a wrong label found, and what was missed.

        Returns
        -------
        Meter
            Of all rounds that are not undone, by reviewer and kind of page, beside what a random
            review would have cost; with gold images, how many of them were noticed. The rows of
            `history` hold the same of each round.
        """
        return evaluate.cost(self._work)

    def save_charts(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Draw AUROC, verdicts, wrong labels found and what importance is worth, as PNG files.

        Parameters
        ----------
        folder : path
            Made if need be; charts that are there are replaced.

        Returns
        -------
        list of Path
            auroc.png (when something was evaluated), verdicts.png, budget.png and importance.png
            (when something was reviewed).
        """
        from .reports.charts import save_charts

        Path(folder).mkdir(parents=True, exist_ok=True)
        baseline = self.rounds.evaluations().get(0)
        return save_charts(
            self.history(), Path(folder), baseline=baseline, importance=self.importance_bars()
        )

    def importance_bars(self) -> list[ImportanceBar]:
        """Return what reviewed labels turned out to be, by their importance when they were pushed.

        Returns
        -------
        list of ImportanceBar
            From the lowest importance to the highest; empty before the first answer.
        """
        return importance_bars(self.rounds.all())

    def history(self) -> list[dict[str, Any]]:
        """Return one row per round: what was reviewed, what it came to, and its evaluation."""
        return [row.to_dict() for row in evaluate.history(self._work)]

    def export_audit(self, path: str | os.PathLike[str]) -> int:
        """Write every event of the ledger to `path`; return how many there are.

        Parameters
        ----------
        path : path
            ``.jsonl`` for JSON lines, ``.csv`` for a table.
        """
        return audit.export_audit(self._work, path)

    # ---- what comes of it

    def export_cleaned(
        self,
        target: str | os.PathLike[str],
        format: str | None = None,
        *,
        keep_deleted: bool = False,
        progress: Progress | None = None,
    ) -> ExportReport:
        """Write the labels as they are now for other programs; nothing is ever overwritten.

        Parameters
        ----------
        target : path
            A new or empty folder; with "csv" and "changes", a new file.
        format : str, optional
            "image-folder" (a folder per class; weights in ``labels.csv``), "csv" (paths, classes,
            weights), "fiftyone" (for ``fiftyone.Dataset.from_dir``), "huggingface" (for
            ``datasets.load_from_disk``; needs the extra ``huggingface``), "coco" (objects: images,
            boxes, classes and weights), or "changes" (what reviewers changed, who did and why, as
            .csv or .json; every folder holds it as ``changes.csv``, too). Default: "csv" for a name
            that ends so, else "image-folder".
        keep_deleted : bool, default False
            Whether labels with weight 0 are in it, with their weight. Default: left out.
        progress : callable(fraction, message), optional
            Called now and then.

        Returns
        -------
        ExportReport

        Raises
        ------
        DataError
            When the target is not new or empty, an image is not there, or the format can't hold
            such labels. Nothing is written then.
        """
        return export_cleaned.export_cleaned(self._work, target, format, keep_deleted, progress)

    def changes(self) -> list[dict[str, Any]]:
        """Return one row for each label that reviewers changed: what, by whom, and why."""
        return export_cleaned.list_changes(self._work)

    def training_set(self) -> TrainingSet:
        """Return the labels outside the test split as arrays to train on, deleted ones at weight 0.

        Returns
        -------
        TrainingSet
            With `images`, `targets`, `sample_weight` and `sampler()`, a sampler of torch.
        """
        return export_cleaned.training_set(self._work)

    # ---- for front ends: what App and command line ask beside the use cases

    @property
    def label_field(self) -> str:
        """The field that is cleaned."""
        return str(self.labels.name)

    @property
    def of_objects(self) -> bool:
        """Whether each label is that of an object, with a box."""
        return bool(self.labels.of_crops)

    def check_unlocked(self) -> None:
        """Make sure that labels can be changed.

        Raises
        ------
        DataError
            When the label field is read-only.
        """
        self.labels.check_unlocked()

    def is_started(self) -> bool:
        """Tell whether the state before the first round is on record."""
        return self.rounds.is_started()

    def coverage(self) -> Coverage:
        """Count the samples that are left out because they lack a label, a vector or a score."""
        return check_setup.coverage(self._work)

    def overview(self, *, predict: bool = True) -> Overview:
        """Return what a page about the rounds shows, from one look at the database.

        Parameters
        ----------
        predict : bool, default True
            Whether the yields say what the next batch will hold: for that, every label that waits
            is read.
        """
        return evaluate.overview(self._work, predict)

    def sample_ids(self, number: int) -> set[str]:
        """Return the ids of a round's samples.

        Raises
        ------
        RoundError
            When there is no such round.
        """
        return self.rounds.load(number).sample_ids

    def page_view(
        self, label_ids: Sequence[str], suggestions: Mapping[str, str] | None = None
    ) -> Any:
        """Return a view of some labels, in this order; with a page's suggestions, it asks."""
        return self.labels.page(label_ids, suggestions or {})

    def page_fields(self) -> list[str]:
        """Return the fields that thumbnails of a page show: the label, and the suggested one."""
        return list(self.labels.page_fields)

    def page_pictures(self, label_ids: Sequence[str]) -> dict[str, str]:
        """Return what to show of some labels: paths of images, or pictures of objects as data."""
        return pictures.in_the_app(self._work, label_ids)

    def label_choices(self) -> list[str]:
        """Return the classes that a person may give in the open round."""
        return list(self._work.given_classes(self.rounds.all()))

    def queue_fields(self) -> list[str]:
        """Return the fields that thumbnails of a queue show: the label, and why to doubt it."""
        return appearance.queue_fields(self.label_field, self.labels.names)

    def round_view_name(self, number: int) -> str:
        """Return the name of the saved view that holds a round."""
        return str(self.labels.names.round_view(number))

    def queue_view_name(self, class_of_interest: str | None) -> str:
        """Return the name of the saved view of a class's queue; None: of the whole dataset's."""
        return views.queue_view_name(self.labels, class_of_interest)

    def check_dataset(self) -> list[Finding]:
        """Return what a check finds in dataset and label field, and in the data themselves."""
        found = check_setup.check_dataset(self._work)
        return found + self.check_data() if found[0]["ok"] else found

    def check_data(self) -> list[Finding]:
        """Return what makes numbers lie: misspelled classes, test split, duplicates, leaks.

        Nothing is changed. On a large dataset it takes some seconds; of a test split that would
        take longer, samples evenly spread are looked at.
        """
        return check_data.check_data(self._work)

    def check_project(
        self, server: Any, images: str = "upload", images_root: str | None = None
    ) -> list[Finding]:
        """Return what a check of the set-up finds of the dataset's project on the server.

        Parameters
        ----------
        server : LabelStudioServer
            Where the reviewers are.
        images, images_root : str
            As `push_round` would get them; once there is a round, as it was pushed.
        """
        return check_setup.check_project(self._work, server, images, images_root)


def _options(
    images: str,
    images_root: str | os.PathLike[str] | None,
    reviewers_per_task: int,
    hide_suggestion: bool,
    new_classes: Sequence[str],
    sheet: int,
    examples: int,
    context: str,
) -> dict[str, Any]:
    """Return what a round keeps of how it was pushed."""
    if context not in pictures.CONTEXTS:
        raise DataError(
            f"context must be one of {', '.join(pictures.CONTEXTS)}, got {context!r}.",
            "Name one of these.",
        )
    return {
        "images": images,
        "images_root": str(images_root) if images_root else None,
        "reviewers_per_task": reviewers_per_task,
        "hide_suggestion": hide_suggestion,
        "new_classes": list(new_classes),
        "sheet": check_sheet(sheet),
        "examples": examples,
        **({"context": context} if context != pictures.CONTEXTS[0] else {}),
    }
