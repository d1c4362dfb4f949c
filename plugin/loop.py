"""The cleaning loop: every use case is one method here; App, command line and scripts call it."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import measure, review
from .core.errors import BusyError, DataError, ProjectMissingError, RoundError, ServerError
from .core.judging.confusion import ConfusedPair, predict_confusion
from .core.judging.stopping import StopDecision
from .core.judging.yields import (
    BudgetPoint,
    YieldReport,
    budget_curve,
)
from .core.review.ledger import (
    AUDIT_COLUMNS,
    Event,
    audit_rows,
    fold,
    next_time,
    redo,
    undo,
)
from .core.review.queue import split_evenly
from .core.scoring.importance import LabelModel, score_labels
from .core.scoring.predictions import out_of_fold_probabilities
from .core.scoring.sampling import sample_coreset
from .desks.labelstudio.connection import LabelStudioServer, is_refusal
from .desks.labelstudio.project import find_or_create_project
from .embed import check_engine
from .proposals import propose
from .reports import (
    CloseReport,
    CoresetReport,
    Coverage,
    EmbeddingReport,
    EvaluationReport,
    ImportanceReport,
    Overview,
    PullReport,
    RoundReport,
)
from .runtime import meanwhile, without_collection
from .store import appearance, coreset, embedding_run, evaluations, names, views
from .store.reviews import declare_review_fields
from .store.rounds import Round, RoundStore, now, open_round
from .store.samples import Samples
from .usecases import check_setup
from .usecases.check_setup import Finding

Progress = Callable[[float, str], None]


class CleaningLoop:
    """Finds and fixes wrong labels of a FiftyOne dataset, round by round.

    Parameters
    ----------
    dataset_or_view : fiftyone.Dataset or fiftyone.DatasetView
        What is cleaned; samples outside a view are never read or changed.
    label_field : str, default "ground_truth"
        A ``Classification`` field.
    embeddings_field : str, default "resnet18_embedding"
        Where the embeddings are or will be; any existing vector field will do.
    test_tag : str or None, default "test"
        Tag of the held-out split: never queued, never changed. Without such samples, confusion
        comes from out-of-fold predictions and there is no held-out AUROC.
    random_state : int, default 0
        Seed of everything random.
    cache_dir : path, optional
        Folder for memory-mapped copies of the embeddings that `compute_embeddings` has made, so
        that large datasets are read from the database once. Default: nothing is copied.

    Raises
    ------
    DataError
        When the label field does not exist or holds no classifications.

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
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        self.samples = Samples(dataset_or_view, label_field, embeddings_field, test_tag, cache_dir)
        self.rounds = RoundStore(self.samples.dataset, label_field)
        self.random_state = random_state
        self._model: LabelModel | None = None

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
            Whether to compute all vectors anew.
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
        from .embed import compute_embeddings

        return compute_embeddings(
            self.samples,
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
    ) -> ImportanceReport:
        """Score every label outside the test split; later calls start from the last fit.

        Parameters
        ----------
        progress : callable(fraction, message), optional
            Called now and then.
        engine : {"local", "ray"}, default "local"
            Where to compute; "ray" needs the extra ``ray`` and a cluster, see docs/scaling.md.
        num_workers : int, optional
            With Ray: actors that hold the embeddings. Default: one for each CPU of the cluster.

        Returns
        -------
        ImportanceReport

        Raises
        ------
        DataError
            When there are no embeddings, or fewer than two classes.
        """
        check_engine(engine)
        with contextlib.ExitStack() as stack:
            if engine == "ray":
                from .ray.rows import RayRows

                def read(view: Any, field: str) -> Any:
                    ids = view.values("id")
                    vectors = RayRows.of_field(self.samples.dataset, field, ids, num_workers)
                    stack.callback(vectors.close)
                    return ids, vectors, np.zeros(len(ids), bool)

                train = self.samples.train_view()
                rows = self.samples.read(train, self.samples.classes(), read)
            else:
                rows = self.samples.train_rows()
            scores = score_labels(
                rows.embeddings,
                rows.labels,
                rows.weights,
                self.random_state,
                n_classes=len(rows.classes),
                warm_start=self._model,
                progress=progress,
            )
        self._model = scores.model
        declare_review_fields(self.samples)
        self.samples.write_scores(rows, scores)
        return ImportanceReport(
            samples=len(rows),
            classes=len(np.unique(rows.labels)),
            total_sensitivity=scores.total_sensitivity,
            expected_errors=float(scores.wrong_probability[rows.weights > 0].sum()),
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
        samples = self.samples
        scored = views.scored_view(samples, names.INFLUENCE)
        ids, influence, weights = scored.values(["id", names.INFLUENCE, names.WEIGHT])
        indices, coreset_weights = sample_coreset(
            np.array(influence), m, np.array(weights), self.random_state
        )
        chosen = {ids[i]: float(w) for i, w in zip(indices.tolist(), coreset_weights, strict=True)}
        coreset.write_coreset(samples, chosen)
        return CoresetReport(len(chosen), sum(chosen.values()), coreset.VIEW)

    # ---- what to look at

    def is_scored(self) -> bool:
        """Tell whether importance has been computed."""
        return bool(self.samples.dataset.has_field(names.IMPORTANCE))

    def recorded_network(self) -> dict[str, Any] | None:
        """Return what is on record of the network that filled the embeddings field."""
        return embedding_run.recorded_network(self.samples.dataset, self.samples.embeddings_field)

    def find_confused_pair(self) -> ConfusedPair:
        """Return the two classes that are confused most often.

        Measured on the test split; without one, on out-of-fold predictions.
        """
        train, test = self.samples.train_rows(), self.samples.test_rows()
        return predict_confusion(
            train.embeddings,
            train.labels,
            train.classes,
            sample_weight=train.weights,
            test_embeddings=None if test is None else test.embeddings,
            test_labels=None if test is None else test.labels,
            random_state=self.random_state,
        )

    def queue_view(self, class_of_interest: str, limit: int | None = None) -> Any:
        """Return the unreviewed samples of a class, most important first, and save that view."""
        view = views.queue_view(self.samples, class_of_interest, limit)
        views.save_queue_view(self.samples, class_of_interest)
        return view

    # ---- rounds

    def push_round(
        self,
        server: LabelStudioServer,
        n: int = 50,
        controls: int = 5,
        *,
        class_of_interest: str | Sequence[str] | Mapping[str, int] | None = None,
        images: str = "upload",
        images_root: str | os.PathLike[str] | None = None,
        reviewers_per_task: int = 1,
        hide_suggestion: bool = False,
        new_classes: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> RoundReport:
        """Send the next batch to Label Studio, or complete the round that is open.

        Parameters
        ----------
        server : LabelStudioServer
            Where the reviewers are.
        n : int, default 50
            Samples in the batch, controls included.
        controls : int, default 5
            Random samples of the class among them, to measure its noise rate.
        class_of_interest : str, list of str or dict of str to int, optional
            A class, or several among which the batch is split evenly, or the samples of each,
            whose sum is `n` then. Default: as in the round before; in the first round, the most
            confused class.
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
            When the class has no unreviewed samples left.
        """
        quotas = _quotas(class_of_interest, n)
        n = sum(quotas.values()) if quotas else n
        options = {
            "n": n,
            "controls": controls,
            "images": images,
            "images_root": str(images_root) if images_root else None,
            "reviewers_per_task": reviewers_per_task,
            "hide_suggestion": hide_suggestion,
            "new_classes": list(new_classes),
        }
        if not 0 <= controls <= n or n < 1:
            raise DataError(
                f"n must be at least 1 and controls between 0 and n, got n={n} and "
                f"controls={controls}."
            )
        self.samples.check_unlocked()
        with self.rounds.lock("push"):
            rounds, source = self.rounds.all(), None
            round_ = open_round(rounds)
            if round_ is None:
                quotas, rival = self._choose_classes(rounds, quotas, n)
                for cls in quotas:
                    views.queue_view(self.samples, cls)  # its errors come before any change
                settings = review.project_settings(self.samples, rounds, options)
                # The server makes the project while the database is read.
                with meanwhile(
                    review.draw_round,
                    self.samples,
                    self.rounds,
                    rounds,
                    quotas,
                    rival,
                    controls,
                    self.random_state,
                    options,
                ) as drawn:
                    project = find_or_create_project(server, **settings)
                round_ = drawn.result()
                source = review.check_images(self.samples, round_, server, project)
                measure.freeze_start(
                    self.samples,
                    self.rounds,
                    (round_.class_of_interest, rival) if rival else None,
                )
                self.rounds.create(round_)
                rounds.append(round_)
            else:
                settings = review.project_settings(self.samples, rounds, round_.config["options"])
                project = find_or_create_project(server, **settings)
            result = review.push(
                self.samples, self.rounds, rounds, round_, server, project, progress, source
            )
        return RoundReport(
            round=round_.number,
            class_of_interest=", ".join(round_.classes),
            rival=round_.rival,
            n=len(round_.batch),
            controls=sum(item.control for item in round_.batch),
            created=result.created,
            existing=result.existing,
            project=project.id,
            url=result.url,
            test_duplicates=round_.config.get("test_duplicates", 0),
        )

    def pull_reviews(self, server: LabelStudioServer) -> PullReport:
        """Fetch the reviewers' answers and write them to labels, tags and weights.

        Call it as often as you like: every answer is applied once, and a later edit in Label
        Studio changes the verdict.
        """
        self.samples.check_unlocked()
        with self.rounds.lock("pull"), without_collection():
            return review.pull(self.samples, self.rounds, server)

    def wait_for_reviews(
        self,
        server: LabelStudioServer,
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
        end = float("inf") if timeout is None else time.monotonic() + timeout
        report, away = self.pull_reviews(server), ""
        while True:
            if progress:
                share = report.answered / report.total if report.total else 1.0
                progress(share, f"{report.answered} of {report.total} tasks{away}")
            left = end - time.monotonic()
            if report.open_round is None or left <= 0:
                return report
            time.sleep(min(seconds, left))
            try:
                report, away = self.pull_reviews(server), ""
            except BusyError:
                pass  # a pull, too: the next one sees what it brought
            except ServerError as error:
                if isinstance(error, ProjectMissingError) or is_refusal(error):
                    raise
                away = ", waiting for Label Studio"

    def close_round(
        self,
        server: LabelStudioServer | None = None,
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
            A round, closed or not. Default: the open one.
        delete_tasks : bool, default False
            Whether to delete the round's tasks that nobody has answered, skipped or begun.

        Raises
        ------
        RoundError
            When there is no such round.
        """
        if delete_tasks and server is None:
            raise DataError("delete_tasks needs the server that holds the tasks: pass server.")
        with self.rounds.lock("close"):
            round_ = self.rounds.open_round() if number is None else self.rounds.load(number)
            if round_ is None:
                raise RoundError(
                    f"field {self.samples.label_field!r} of dataset "
                    f"{self.samples.dataset.name!r} has no open round."
                )
            return review.close(self.samples, self.rounds, round_, server, delete_tasks)

    def undo_round(self, number: int) -> int:
        """Leave a round's answers out, as if it had never been; return how many samples changed."""
        return self._record(number, undo)

    def redo_round(self, number: int) -> int:
        """Take an undone round's answers in again; return how many samples changed.

        Raises
        ------
        RoundError
            When it was undone unfinished and another round is open now.
        """
        return self._record(number, redo)

    def undo_sample(self, number: int, sample_id: str) -> int:
        """Leave a round's answers about one sample out; return how many samples changed."""
        return self._record(number, undo, sample_id)

    def redo_sample(self, number: int, sample_id: str) -> int:
        """Take a round's answers about one sample in again; return how many samples changed."""
        return self._record(number, redo, sample_id)

    def _record(
        self, number: int, make_event: Callable[..., Event], sample_id: str | None = None
    ) -> int:
        self.samples.check_unlocked()
        with self.rounds.lock(make_event.__name__):
            round_ = self.rounds.load(number)
            if sample_id is not None and sample_id not in round_.sample_ids:
                raise RoundError(
                    f"sample {sample_id!r} is not in round {number} of field "
                    f"{self.samples.label_field!r}, which has {len(round_.batch)} samples. The "
                    f"saved view {names.round_view_name(number)!r} shows them."
                )
            rounds = self.rounds.all()
            open_ = open_round(rounds)
            if (
                make_event is redo
                and sample_id is None
                and round_.closed_at is None
                and open_ is not None
                and open_.number != number
            ):
                raise RoundError(
                    f"round {number} is not finished and round {open_.number} is open: only one "
                    f"can be. Close or undo round {open_.number} first."
                )
            recorded = review.ledger(rounds)
            round_.events.append(make_event(number, next_time(recorded, now()), sample_id))
            self.rounds.save(round_)
            return review.write_back(self.samples, self.rounds)

    def propose_corrections(self) -> list[dict[str, Any]]:
        """List near-duplicates of corrected samples that still carry the wrong label.

        Nothing is changed: look at them, then review or fix them.

        Returns
        -------
        list of dict
            With the keys sample, duplicate_of, cosine, label and proposed (None for delete).
        """
        rows = self.samples.train_rows()
        originals = self.samples.column(f"{names.ORIGINAL}.label")
        return propose(rows, originals, fold(review.ledger(self.rounds.all())))

    # ---- evaluation

    def evaluate_round(self) -> EvaluationReport:
        """Measure AUROC now and keep it with the latest round, or as the start when there is none.

        Returns
        -------
        EvaluationReport
        """
        return measure.evaluate(self.samples, self.rounds, self.random_state)

    def publish_evaluation(self) -> str:
        """Show the labels as they are now in the App's Model Evaluation panel.

        Every sample outside the test split is predicted by a fit that has not seen it.

        Returns
        -------
        str
            Key of the FiftyOne evaluation; predictions are in the field ``cleaning_prediction``.
        """
        rows, rounds = self.samples.train_rows(), self.rounds.all()
        probabilities = out_of_fold_probabilities(
            rows.embeddings,
            rows.labels,
            rows.weights,
            n_classes=len(rows.classes),
            random_state=self.random_state,
        )
        key = evaluations.evaluation_key(rounds[-1].number if rounds else 0)
        evaluations.save_evaluation(self.samples, rows, probabilities, key)
        return key

    def next_step(self, **parameters: Any) -> StopDecision:
        """Say whether another round is worth it, and why; parameters go to `core.next_step`."""
        return measure.decide(self.history(), self.rounds.load_start(), **parameters)

    def yields(self, class_of_interest: str | None = None) -> YieldReport:
        """Say how noisy a class is, how much better than chance its queue is, and what is left.

        Parameters
        ----------
        class_of_interest : str, optional
            Default: the class of the last round.

        Returns
        -------
        YieldReport
            Numbers with 95 % intervals; undone and unanswered rounds are left out.
        """
        return measure.yields(
            self.samples, self.rounds, self.rounds.all(), class_of_interest, self.random_state
        )

    def budget_curve(self, class_of_interest: str | None = None) -> list[BudgetPoint]:
        """Return wrong labels found against images reviewed, beside a random review.

        Parameters
        ----------
        class_of_interest : str, optional
            Default: the class of the last round.
        """
        return budget_curve(measure.class_yields(self.rounds.all(), class_of_interest)[1])

    def save_charts(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Draw AUROC, verdicts and wrong labels found, by round, as PNG files.

        Parameters
        ----------
        folder : path
            Made if need be; charts that are there are replaced.

        Returns
        -------
        list of Path
            auroc.png (when something was evaluated), verdicts.png and budget.png.
        """
        from .reports.charts import save_charts

        start = self.rounds.load_start()
        Path(folder).mkdir(parents=True, exist_ok=True)
        return save_charts(
            self.history(), Path(folder), baseline=start.evaluation if start else None
        )

    def history(self) -> list[dict[str, Any]]:
        """Return one row a round: what was reviewed, what it came to, and its evaluation."""
        return measure.history(self.rounds.all())

    def export_audit(self, path: str | os.PathLike[str]) -> int:
        """Write every event of the ledger to `path`; return how many there are.

        Parameters
        ----------
        path : path
            ``.jsonl`` for JSON lines, ``.csv`` for a table.
        """
        path = Path(path)
        if path.suffix not in (".jsonl", ".csv"):
            raise DataError(f"the audit's file name must end in .jsonl or .csv, got {path.name!r}.")
        rows = [row for r in self.rounds.all() for row in audit_rows(r.events, r.batch, r.config)]
        with path.open("w", newline="", encoding="utf-8") as file:
            if path.suffix == ".jsonl":
                file.writelines(json.dumps(row) + "\n" for row in rows)
            else:
                writer = csv.DictWriter(file, fieldnames=AUDIT_COLUMNS)
                writer.writeheader()
                writer.writerows(rows)
        return len(rows)

    # ---- shared

    def _choose_classes(
        self, rounds: Sequence[Round], asked: dict[str, int], n: int
    ) -> tuple[dict[str, int], str | None]:
        """Return the quotas and the rival: as asked, as in the last round, or as measured."""
        if asked:
            cls = next(iter(asked))
            rivals = [r.rival for r in rounds if r.class_of_interest == cls]
            return asked, rivals[-1] if rivals else None
        if rounds:
            return split_evenly(n, rounds[-1].classes), rounds[-1].rival
        pair = self.find_confused_pair()
        return {pair.class_of_interest: n}, pair.rival

    # ---- for front ends: what App and command line ask beside the use cases

    @property
    def label_field(self) -> str:
        """The field that is cleaned."""
        return self.samples.label_field

    def check_unlocked(self) -> None:
        """Make sure that labels can be changed.

        Raises
        ------
        DataError
            When the label field is read-only.
        """
        self.samples.check_unlocked()

    def is_started(self) -> bool:
        """Tell whether the state before the first round is on record."""
        return self.rounds.load_start() is not None

    def coverage(self) -> Coverage:
        """Count the samples that are left out because they lack a label, a vector or a score."""
        return check_setup.coverage(self.samples)

    def overview(self) -> Overview:
        """Return what a page about the rounds shows, from one look at the database."""
        recorded, start = self.rounds.all(), self.rounds.load_start()
        rows = measure.history(recorded)
        found = None
        if measure.counted(rows):
            found = measure.yields(self.samples, self.rounds, recorded, None, self.random_state)
        return Overview(
            history=rows,
            baseline=start.evaluation if start else None,
            yields=found,
            decision=measure.decide(rows, start),
            next_round=self.rounds.next_number(),
        )

    def sample_ids(self, number: int) -> set[str]:
        """Return the ids of a round's samples.

        Raises
        ------
        RoundError
            When there is no such round.
        """
        return self.rounds.load(number).sample_ids

    def queue_fields(self) -> list[str]:
        """Return the fields that thumbnails of a queue show: the label, and why to doubt it."""
        return appearance.queue_fields(self.samples.label_field)

    @staticmethod
    def round_view_name(number: int) -> str:
        """Return the name of the saved view that holds a round."""
        return names.round_view_name(number)

    @staticmethod
    def queue_view_name(class_of_interest: str) -> str:
        """Return the name of the saved view that holds a class's queue."""
        return names.queue_view_name(class_of_interest)

    def check_dataset(self) -> list[Finding]:
        """Return what a check of the set-up finds in dataset and label field."""
        return check_setup.check_dataset(self.samples)

    def check_project(
        self, server: LabelStudioServer, images: str = "upload", images_root: str | None = None
    ) -> list[Finding]:
        """Return what a check of the set-up finds of the dataset's project on the server.

        Parameters
        ----------
        server : LabelStudioServer
            Where the reviewers are.
        images, images_root : str
            As `push_round` would get them; once there is a round, as it was pushed.
        """
        return check_setup.check_project(self.samples, self.rounds, server, images, images_root)


def _quotas(asked: str | Sequence[str] | Mapping[str, int] | None, n: int) -> dict[str, int]:
    """Return the samples wanted of each class; empty when none was asked for."""
    if asked is None:
        return {}
    if isinstance(asked, str):
        return {asked: n}
    if not isinstance(asked, Mapping):
        return split_evenly(n, list(asked))
    if not asked or any(quota < 1 for quota in asked.values()):
        raise DataError(
            f"class_of_interest: the samples of each class must be at least 1, got {dict(asked)}."
        )
    return dict(asked)
