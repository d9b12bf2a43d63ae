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

    Raises :class:`InputError` for the first mistake: one sentence that names ``where`` (a file),
    the key, and the remedy. Numbers that are not finite are mistakes everywhere.
    """
    found = mistakes(instance, schema)
    if found:
        raise InputError(f"{where}: {found[0]}")


def mistakes(instance: object, schema: str | Path | Mapping) -> list[str]:
    """All that is wrong with ``instance`` (parsed YAML), each as a sentence without a full stop.

    Keys that are missing in one mapping are named together, and so are its unknown keys.
    """
    if infinite := _not_finite(instance):
        return [infinite]
    whole: Mapping[str, Any] = (
        schema
        if isinstance(schema, Mapping)
        else json.loads(Path(schema).read_text(encoding="utf-8"))
    )
    validator = jsonschema.Draft202012Validator(whole)
    found = sorted(
        _innermost(validator.iter_errors(instance)),
        key=lambda error: [str(each) for each in error.path],
    )
    alike: dict[object, list[Any]] = {}
    for number, mistake in enumerate(found):
        match mistake.validator:
            case "required" | "dependentRequired":
                kind: object = ("missing", *mistake.absolute_path)
            case _:
                kind = number
        alike.setdefault(kind, []).append(mistake)
    return [_sentence(each) for each in alike.values()]


def _not_finite(instance: object) -> str:
    """The sentence that names the keys whose value is `.nan` or `.inf`; empty where there are none.

    No limit of a schema catches `.nan`, which is neither less nor more than anything.
    """
    found: list[str] = []
    waiting: list[tuple[tuple, object]] = [((), instance)]
    seen: set[int] = set()
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, float) and not math.isfinite(value):
            found.append(f"`{': '.join(map(str, path))}` is {value}")
        elif isinstance(value, (Mapping, list, tuple)) and id(value) not in seen:
            seen.add(id(value))  # YAML's aliases may repeat a part, or hold themselves
            inside = value.items() if isinstance(value, Mapping) else enumerate(value)
            waiting += [((*path, key), each) for key, each in inside]
    listed = ", ".join(sorted(found))
    return f"{listed}, which is no finite number: give a number" if found else ""


def _innermost(
    mistakes: Iterator[Any],
) -> Iterator[Any]:
    """Of a choice (oneOf) that none fits, the key that is missing in the alternative that comes
    nearest.

    Where an alternative has all its keys and the keys of another beside them, the choice itself is
    the mistake.
    """
    for mistake in mistakes:
        missing = [each for each in mistake.context or [] if each.validator == "required"]
        incomplete = {each.relative_schema_path[0] for each in missing}
        if missing and incomplete == {each.relative_schema_path[0] for each in mistake.context}:
            yield max(missing, key=lambda each: len(set(each.validator_value) & set(each.instance)))
        else:
            yield mistake


def _sentence(alike: Sequence[Any]) -> str:
    """What one mistake is, or several of the same kind."""
    mistake = alike[0]
    key = ": ".join(str(each) for each in mistake.absolute_path)
    at = f" under `{key}:`" if key else ""
    match mistake.validator:
        case "additionalProperties":
            properties = mistake.schema.get("properties", {})
            allowed = sorted(name for name, each in properties.items() if each.get("not") != {})
            patterns = mistake.schema.get("patternProperties", {})
            wrong = [
                name
                for name in mistake.instance
                if name not in properties
                and not any(re.search(each, str(name)) for each in patterns)
            ]
            return "; ".join(f"unknown key `{each}`{at}: {_near(each, allowed)}" for each in wrong)
        case "required" | "dependentRequired":
            missing = list(dict.fromkeys(name for each in alike for name in _missing(each)))
            if len(missing) > 1:
                names = ", ".join(f"`{each}`" for each in missing)
                return f"the keys {names} are missing{at}: add them"
            what = mistake.schema.get("properties", {}).get(missing[0], {}).get("description", "")
            what = f" ({what[0].lower()}{what[1:].rstrip('.')})" if what else ""
            return f"the key `{missing[0]}` is missing{at}: add it{what}"
        case "enum" | "const":
            allowed = (
                mistake.validator_value
                if mistake.validator == "enum"
                else [mistake.validator_value]
            )
            near = difflib.get_close_matches(str(mistake.instance), list(map(str, allowed)), 1)
            hint = (
                f"did you mean {near[0]}?"
                if near
                else f"allowed are {', '.join(map(str, allowed))}"
            )
            return f"`{key}` is {mistake.instance!r}: {hint}"
        case "type":
            wanted = {
                "object": "a mapping",
                "array": "a list",
                "string": "text",
                "number": "a number",
            }
            wanted |= {"integer": "a whole number", "boolean": "true or false"}
            name = wanted.get(mistake.validator_value, mistake.validator_value)
            return f"{f'`{key}`' if key else 'the file'} is {_short(mistake.instance)}, but has to be {name}"
        case "oneOf":
            choices = "; ".join(
                ", ".join(f"`{name}`" for name in each["required"])
                for each in mistake.validator_value
            )
            return f"`{key}` mixes keys that exclude one another: keep one of these sets: {choices}"
        case "pattern":
            what = (
                "lower-case letters, digits, '.', '_' and '-'"
                if "a-z0-9" in mistake.validator_value
                else "the pattern"
            )
            what = what if what != "the pattern" else f"the pattern {mistake.validator_value}"
            return f"{f'`{key}`' if key else 'a name'} is {_short(mistake.instance)}: use {what}"
        case "not":
            return f"`{key}` has no use {mistake.schema.get('description', 'here')}: take it out"
        case "minItems" if mistake.instance:
            return f"`{key}` is {_short(mistake.instance)}: name at least {mistake.validator_value}"
        case "minimum" | "maximum" | "minItems" | "minProperties" | "minLength" | "uniqueItems":
            problem = {
                "minimum": f"less than {mistake.validator_value}",
                "maximum": f"more than {mistake.validator_value}",
                "uniqueItems": "a list that names something twice",
            }.get(mistake.validator, "empty")
            shown = (
                f" ({_short(mistake.instance)})"
                if mistake.validator in ("minimum", "maximum", "uniqueItems")
                else ""
            )
            return f"`{key}` is {problem}{shown}: correct it"
    return f"{f'`{key}`: ' if key else ''}{mistake.message}"


def _missing(mistake: Any) -> list[str]:
    """The keys that are missing where the instance has to have some, or some beside others."""
    wanted = mistake.validator_value
    if isinstance(wanted, Mapping):
        wanted = [
            name for key, names in wanted.items() if key in mistake.instance for name in names
        ]
    return [name for name in wanted if name not in mistake.instance]


def _near(name: object, allowed: Sequence[str]) -> str:
    near = difflib.get_close_matches(str(name), allowed, 1)
    return f"did you mean `{near[0]}`?" if near else f"allowed are {', '.join(allowed)}"


def _short(value: object) -> str:
    text = "empty" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
