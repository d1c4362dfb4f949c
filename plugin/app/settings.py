"""Which fields of a dataset the operators and the panel work on: found, chosen and remembered."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..core.errors import DataError

_OURS = ("suggested_label", "original_label", "cleaning_prediction")
_DEFAULT_LABELS = "ground_truth"
_DEFAULT_EMBEDDINGS = "resnet18_embedding"
_DEFAULT_TEST_TAG = "test"
_STORE, _KEY = "label_cleaning_settings", "settings"
_FINDINGS = "findings:"
NO_TEST_SPLIT = "(none)"


@dataclass(frozen=True)
class Settings:
    """What `CleaningLoop` is built with.

    Attributes
    ----------
    label_field, embeddings_field : str
    test_tag : str or None
        None when the dataset has no held-out split.
    """

    label_field: str
    embeddings_field: str
    test_tag: str | None


def label_fields(dataset: Any) -> list[str]:
    """Return the fields whose labels can be cleaned, those of whole images first."""
    import fiftyone as fo

    kinds = (fo.Classification, fo.Detections)
    schemas = [dataset.get_field_schema(embedded_doc_type=kind) for kind in kinds]
    return [name for schema in schemas for name in schema if name not in _OURS]


def embeddings_fields(dataset: Any, label_field: str = "") -> list[str]:
    """Return the vector fields; of objects, the names that the label field is appended to."""
    import fiftyone as fo

    field = dataset.get_field(label_field) if label_field else None
    if issubclass(getattr(field, "document_type", object), fo.Detections):
        names, end = dataset.get_field_schema(ftype=fo.DictField), f"_{label_field}"
        return [name.removesuffix(end) for name in names if name.endswith(end)]
    return list(dataset.get_field_schema(ftype=fo.VectorField))


def sample_tags(dataset: Any) -> list[str]:
    """Return the sample tags that could mark a test split."""
    return [tag for tag in dataset.distinct("tags") if not tag.startswith("cleaning:")]


def resolve(dataset: Any, params: dict[str, Any] | None = None) -> Settings:
    """Return what the form says, else what was used last on this dataset, else the best guess.

    Raises
    ------
    DataError
        When the dataset has no field with labels, or what was given is no name.
    """
    remembered, given = store(dataset).get(_KEY) or {}, _given(params or {})
    chosen = {**remembered, **given}
    fields = label_fields(dataset)
    label_field = chosen.get("label_field")
    # A remembered field may be gone by now; one that is asked for is the loop's to refuse.
    if label_field is None or ("label_field" not in given and label_field not in fields):
        if not fields:
            raise DataError(
                f"dataset {dataset.name!r} must have a Classification or Detections field to "
                "clean, got none.",
                "Import the labels as fiftyone.Classification or fiftyone.Detections first.",
            )
        label_field = _DEFAULT_LABELS if _DEFAULT_LABELS in fields else fields[0]
    vectors = embeddings_fields(dataset, label_field)
    embeddings = chosen.get("embeddings_field")
    if embeddings is None:
        usable = _DEFAULT_EMBEDDINGS in vectors or not vectors
        embeddings = _DEFAULT_EMBEDDINGS if usable else vectors[0]
    test_tag = chosen.get("test_tag", _DEFAULT_TEST_TAG)
    return Settings(label_field, embeddings, test_tag)


def remember(dataset: Any, settings: Settings) -> None:
    """Make these the dataset's defaults, so that later forms and the panel agree with them."""
    store(dataset).set(_KEY, asdict(settings))


def remember_findings(dataset: Any, label_field: str, findings: list[dict[str, Any]]) -> None:
    """Keep what a check of the data warns of: the panel shows it until the first round."""
    kept = [found for found in findings if found["fix"]]
    store(dataset).set(_FINDINGS + label_field, {"findings": kept})


def findings(dataset: Any, label_field: str) -> list[dict[str, Any]]:
    """Return what the last check of the data warned of."""
    return list((store(dataset).get(_FINDINGS + label_field) or {}).get("findings", ()))


def _given(params: dict[str, Any]) -> dict[str, Any]:
    for key in ("label_field", "embeddings_field", "test_tag"):
        if not isinstance(params.get(key), (str, type(None))):
            raise DataError(f"{key} must be a name, got {params[key]!r}.", "Give a name in quotes.")
    given = {key: params[key] for key in ("label_field", "embeddings_field") if params.get(key)}
    if "test_tag" in params:
        tag = params["test_tag"]
        given["test_tag"] = None if tag in (None, "", NO_TEST_SPLIT) else tag
    return given


def store(dataset: Any) -> Any:
    """Return where the plugin keeps what it remembers of a dataset outside its samples."""
    from fiftyone.operators.store import ExecutionStore

    return ExecutionStore.create(_STORE, dataset._doc.id)
