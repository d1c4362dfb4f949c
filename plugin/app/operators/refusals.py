"""Bad parameters, refused in words: FiftyOne's own check says no more than "Invalid enum value"."""

from __future__ import annotations

from typing import Any

from fiftyone.operators import types

_SHOWN = 12  # values that are listed
# An integer of the form must not be a truth value, which Python counts among the integers.
_KINDS: dict[type, tuple[str, Any]] = {
    types.String: ("text", lambda value: isinstance(value, str)),
    types.Boolean: ("true or false", lambda value: isinstance(value, bool)),
    types.Number: ("a number", lambda v: isinstance(v, (int, float)) and not isinstance(v, bool)),
    types.List: ("a list", lambda value: isinstance(value, list)),
}


def refuse_bad(inputs: types.Object, params: dict[str, Any]) -> None:
    """Mark each field of a form whose parameter can't be meant; what is missing stays FiftyOne's.

    Parameters
    ----------
    inputs : fiftyone.operators.types.Object
        The form.
    params : dict
        What was given. Names that the form does not have are left alone: an App's form may still
        hold what another choice asked for.
    """
    for name, field in inputs.properties.items():
        value = params.get(name)
        if value is None or field.invalid:
            continue
        must = what_it_must_be(field.type, value)
        if must:
            field.invalid = True
            field.error_message = f"{name} must be {must}, got {value!r}."


def what_it_must_be(kind: Any, value: Any) -> str:
    """Return what a value must be, in words; empty when it is."""
    if isinstance(kind, types.Enum):
        return "" if value in kind.values else one_of(kind.values)
    words, fits = next((rule for t, rule in _KINDS.items() if isinstance(kind, t)), ("", None))
    if fits is None:
        return ""
    if not fits(value):
        return words
    if isinstance(kind, types.Number):
        return _bounds(kind, value)
    if isinstance(kind, types.List):
        musts = [what_it_must_be(kind.element_type, element) for element in value]
        return next((f"a list of which each is {must}" for must in musts if must), "")
    return ""


def one_of(values: Any) -> str:
    """Return "one of a, b, c", with the first values only where there are many."""
    shown = ", ".join(str(value) for value in values[:_SHOWN])
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return f"one of {shown}{more}" if shown else "left out, since there is nothing to choose from"


def _bounds(kind: Any, value: Any) -> str:
    if kind.int and value != int(value):
        return "a whole number"
    if kind.min is not None and value < kind.min:
        return f"{kind.min} or more"
    if kind.max is not None and value > kind.max:
        return f"{kind.max} or less"
    return ""
