"""What was embedded, scored and drawn as a coreset, and which samples are left out."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.errors import sentence
from .report import NOT_PERSISTENT, Report


@dataclass(frozen=True)
class EmbeddingReport(Report):
    """What `compute_embeddings` did.

    Attributes
    ----------
    field : str
        The embeddings field.
    model : str
        The network.
    computed, present : int
        Vectors computed now, and vectors that were there before.
    unreadable : list of tuple
        (path, reason) of every image that could not be decoded.
    """

    field: str
    model: str
    computed: int
    present: int
    unreadable: list[tuple[str, str]]

    def __str__(self) -> str:
        text = f"{self.computed} embeddings computed by {self.model} into {self.field!r}"
        if self.present:
            text += f", {self.present} were there"
        if self.unreadable:
            path, reason = self.unreadable[0]
            text += (
                f"; {len(self.unreadable)} images are unreadable (tag cleaning:unreadable), "
                f"first {path}: {reason}"
            )
        return text + "."


@dataclass(frozen=True)
class ImportanceReport(Report):
    """What `compute_importance` did.

    Attributes
    ----------
    samples, classes : int
        Scored samples, and classes among them.
    total_sensitivity : float
        Sum of the importance: the smaller, the fewer samples stand for all.
    expected_errors : float
        How many labels that nobody has reviewed are wrong, by the scores and all verdicts.
    expected_errors_interval : (float, float) or None
        Its 95 % interval.
    reliability : float
        Near 1, another sample of such data would rank the labels alike; see `LabelScores`.
    warnings : tuple of str
        What to know before trusting the scores: too few rows for a sure ranking, or predictions of
        a network that has seen these labels.
    unlabeled, without_vector : int
        Samples that were left out because they have no label, or a label and no embedding.
    persistent : bool, default True
        Whether FiftyOne keeps the dataset.
    """

    samples: int
    classes: int
    total_sensitivity: float
    expected_errors: float
    reliability: float = 1.0
    warnings: tuple[str, ...] = ()
    unlabeled: int = 0
    without_vector: int = 0
    persistent: bool = True
    expected_errors_interval: tuple[float, float] | None = None

    def __str__(self) -> str:
        text = (
            f"{self.samples} labels of {self.classes} classes scored; total sensitivity "
            f"{self.total_sensitivity:.3g}, about {self.expected_errors:.0f} labels look wrong"
        )
        if self.expected_errors_interval:
            low, high = self.expected_errors_interval
            text += f" (95 % interval {low:.0f} to {high:.0f})"
        text += "."
        for warning in self.warnings:
            text += f"\nWarning: {warning}"
        if self.without_vector:
            text += (
                f"\nLeft out: {self.without_vector} labeled samples without an embedding. Compute "
                "what is missing: `coreset-cleaning embed`."
            )
        if self.unlabeled:
            text += f"\nLeft out: {self.unlabeled} samples without a label."
        return text + ("" if self.persistent else NOT_PERSISTENT)


@dataclass(frozen=True)
class CoresetReport(Report):
    """What `sample_coreset` did.

    Attributes
    ----------
    samples : int
        Distinct samples in the coreset.
    total_weight : float
        Sum of their weights: about the number of samples they stand for.
    view : str
        Name of the saved view.
    """

    samples: int
    total_weight: float
    view: str

    def __str__(self) -> str:
        return (
            f"{self.samples} samples with total weight {self.total_weight:.0f} in the saved view "
            f"{self.view!r}."
        )


@dataclass(frozen=True)
class Coverage(Report):
    """Which samples outside the test split are left out of scoring and review.

    Attributes
    ----------
    total : int
        Samples outside the test split.
    unlabeled, without_vector, without_score : int
        Samples without a label; of the others, those without a vector; of the others, those
        without a score. Vectors and scores are missing only once some have been computed.
    """

    total: int
    unlabeled: int
    without_vector: int
    without_score: int

    @property
    def left_out(self) -> int:
        """Samples that are never queued as things are."""
        return self.unlabeled + self.without_vector + self.without_score

    @property
    def fix(self) -> str:
        """What brings them in; empty when none is left out."""
        steps = [
            ("give the unlabeled ones a label", self.unlabeled),
            ("compute the embeddings again", self.without_vector),
            ("compute the importance again", self.without_vector + self.without_score),
        ]
        text = ", then ".join(step for step, needed in steps if needed)
        return f"{sentence(text)}." if text else ""

    def __str__(self) -> str:
        if not self.left_out:
            return f"All {self.total} samples outside the test split take part."
        reasons = [
            f"{count} have no {what}"
            for what, count in (
                ("label", self.unlabeled),
                ("embedding", self.without_vector),
                ("importance", self.without_score),
            )
            if count
        ]
        return f"{self.left_out} of {self.total} samples are left out: {', '.join(reasons)}."
