"""JSON-schema validation that ends in one sentence: the wrong key, what is allowed there, what was
meant.
"""

import difflib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema

from radcbir.core.errors import InputError


def no_use(where: str = "here") -> dict:
    """The schema of a key that is known, but has no use ``where`` it is."""
    return {"not": {}, "description": where}


def validate(instance: object, schema: str | Path | Mapping, where: str) -> None:
    """Check ``instance`` (parsed YAML) against a JSON schema, or the file of one.

    Raises :class:`InputError` with all mistakes: for each a sentence that names ``where`` (a file),
    the key, and the remedy. Numbers that are not finite are mistakes everywhere.
    """
    found = mistakes(instance, schema)
    if found:
        raise InputError(*(f"{where}: {each}" for each in found))


def mistakes(instance: object, schema: str | Path | Mapping) -> list[str]:
    """All that is wrong with ``instance`` (parsed YAML), each as a sentence without a full stop.

    Keys that are missing in one mapping are named together, and so are its unknown keys.
    """
    not_finite = _not_finite(instance)
    if not_finite:
        return not_finite
    read: Any = (
        schema
        if isinstance(schema, Mapping)
        else json.loads(Path(schema).read_text(encoding="utf-8"))
    )
    validator = jsonschema.Draft202012Validator(read)
    found = sorted(
        _innermost(validator.iter_errors(instance)),
        key=lambda error: [str(each) for each in error.path],
    )
    alike: dict[object, list[jsonschema.ValidationError]] = {}
    for number, mistake in enumerate(found):
        match mistake.validator:
            case "required" | "dependentRequired":
                kind: object = ("missing", *mistake.absolute_path)
            case _:
                kind = number
        alike.setdefault(kind, []).append(mistake)
    return [_sentence(each) for each in alike.values()]


def _not_finite(instance: object) -> list[str]:
    """The keys whose value is `.nan` or `.inf`, as one sentence; empty where there are none.

    No limit of a schema catches `.nan`, which is neither less nor more than anything.
    """
    found, seen = [], set()
    waiting: list[tuple[tuple, object]] = [((), instance)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, float) and not math.isfinite(value):
            found.append(f"`{': '.join(map(str, path))}` is {value}")
        elif isinstance(value, (Mapping, list, tuple)) and id(value) not in seen:
            seen.add(id(value))  # aliases in YAML can repeat a part, or contain themselves
            inside = value.items() if isinstance(value, Mapping) else enumerate(value)
            waiting += [((*path, key), each) for key, each in inside]
    if not found:
        return []
    return [f"{', '.join(sorted(found))}, which is no finite number: give a number"]


def _innermost(
    mistakes: Iterator[jsonschema.ValidationError],
) -> Iterator[jsonschema.ValidationError]:
    """Of a choice (oneOf) that none fits, the key that is missing in the alternative that comes
    nearest.

    Where an alternative has all its keys and the keys of another beside them, the choice itself is
    the mistake.
    """
    for mistake in mistakes:
        inside = mistake.context or []
        missing: list[Any] = [each for each in inside if each.validator == "required"]
        incomplete = {each.relative_schema_path[0] for each in missing}
        if missing and incomplete == {each.relative_schema_path[0] for each in inside}:
            yield max(missing, key=lambda each: len(set(each.validator_value) & set(each.instance)))
        else:
            yield mistake


def _sentence(alike: Sequence[jsonschema.ValidationError]) -> str:
    """What one mistake is, or several of the same kind."""
    mistake = alike[0]
    schema: Any = mistake.schema
    instance: Any = mistake.instance
    limit: Any = mistake.validator_value
    key = ": ".join(str(each) for each in mistake.absolute_path)
    at = f" under `{key}:`" if key else ""
    match mistake.validator:
        case "additionalProperties":
            properties = schema.get("properties", {})
            patterns = schema.get("patternProperties", {})
            allowed = sorted(name for name, each in properties.items() if each.get("not") != {})
            wrong = [
                name
                for name in instance
                if name not in properties
                and not any(re.search(each, str(name)) for each in patterns)
            ]
            return "; ".join(f"unknown key `{each}`{at}: {_near(each, allowed)}" for each in wrong)
        case "required" | "dependentRequired":
            missing = list(dict.fromkeys(name for each in alike for name in _missing(each)))
            if len(missing) > 1:
                names = ", ".join(f"`{each}`" for each in missing)
                return f"the keys {names} are missing{at}: add them"
            what = schema.get("properties", {}).get(missing[0], {}).get("description", "")
            what = f" ({what[0].lower()}{what[1:].rstrip('.')})" if what else ""
            return f"the key `{missing[0]}` is missing{at}: add it{what}"
        case "enum" | "const":
            allowed = limit if mistake.validator == "enum" else [limit]
            near = difflib.get_close_matches(str(instance), list(map(str, allowed)), 1)
            hint = (
                f"did you mean {near[0]}?"
                if near
                else f"allowed are {', '.join(map(str, allowed))}"
            )
            return f"`{key}` is {instance!r}: {hint}"
        case "type":
            wanted = {
                "object": "a mapping",
                "array": "a list",
                "string": "text",
                "number": "a number",
            }
            wanted |= {"integer": "a whole number", "boolean": "true or false"}
            kinds = [limit] if isinstance(limit, str) else limit
            name = " or ".join(wanted.get(each, each) for each in kinds)
            return (
                f"{f'`{key}`' if key else 'the file'} is {_short(instance)}, but has to be {name}"
            )
        case "oneOf":
            choices = "; ".join(
                ", ".join(f"`{name}`" for name in each["required"]) for each in limit
            )
            return f"`{key}` mixes keys that exclude one another: keep one of these sets: {choices}"
        case "pattern":
            named = f"{f'`{key}`' if key else 'a name'} is {_short(instance)}"
            if "a-z0-9" in limit:
                return f"{named}: use lower-case letters, digits, '.', '_' and '-'"
            meant = schema.get("description", "").rstrip(".")
            return (
                f"{named}, but has to be: {meant}" if meant else f"{named}: use the pattern {limit}"
            )
        case "not":
            return f"`{key}` has no use {schema.get('description', 'here')}: take it out"
        case "minItems" if instance:
            return f"`{key}` is {_short(instance)}: name at least {limit}"
        case "minimum" | "maximum" | "minItems" | "minProperties" | "minLength" | "uniqueItems":
            problem = {
                "minimum": f"less than {limit}",
                "maximum": f"more than {limit}",
                "uniqueItems": "a list that names something twice",
            }.get(mistake.validator, "empty")
            shown = (
                f" ({_short(instance)})"
                if mistake.validator in ("minimum", "maximum", "uniqueItems")
                else ""
            )
            return f"`{key}` is {problem}{shown}: correct it"
    return f"{f'`{key}`: ' if key else ''}{mistake.message}"


def _missing(mistake: jsonschema.ValidationError) -> list[str]:
    """The keys that are missing where the instance has to have some, or some beside others."""
    wanted: Any = mistake.validator_value
    instance: Any = mistake.instance
    if isinstance(wanted, Mapping):
        wanted = [name for key, names in wanted.items() if key in instance for name in names]
    return [name for name in wanted if name not in instance]


def _near(name: object, allowed: Sequence[str]) -> str:
    near = difflib.get_close_matches(str(name), allowed, 1)
    return f"did you mean `{near[0]}`?" if near else f"allowed are {', '.join(allowed)}"


def _short(value: object) -> str:
    text = "empty" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
