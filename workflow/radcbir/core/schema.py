"""JSON-schema validation that ends in one sentence: the wrong key, what is allowed there, what was
meant.
"""

import difflib
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import jsonschema

from radcbir.core.errors import InputError


def validate(instance: object, schema: str | Path | Mapping, where: str) -> None:
    """Check ``instance`` (parsed YAML) against a JSON schema, or the file of one.

    Raises :class:`InputError` for the first mistake: one sentence that names ``where`` (a file),
    the key, and the remedy. Numbers that are not finite are mistakes everywhere.
    """
    _refuse_not_finite(instance, where)
    if not isinstance(schema, Mapping):
        schema = json.loads(Path(schema).read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    mistakes = sorted(
        _innermost(validator.iter_errors(instance)),
        key=lambda error: [str(each) for each in error.path],
    )
    if mistakes:
        raise InputError(f"{where}: {_sentence(mistakes[0])}")


def _refuse_not_finite(instance: object, where: str) -> None:
    """Raise :class:`InputError` that names the keys whose value is `.nan` or `.inf`: no limit of a
    schema catches `.nan`, which is neither less nor more than anything.
    """
    found, waiting, seen = [], [((), instance)], set()
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, float) and not math.isfinite(value):
            found.append(f"`{': '.join(map(str, path))}` is {value}")
        elif isinstance(value, (Mapping, list, tuple)) and id(value) not in seen:
            seen.add(id(value))  # YAML's aliases may repeat a part, or hold themselves
            inside = value.items() if isinstance(value, Mapping) else enumerate(value)
            waiting += [((*path, key), each) for key, each in inside]
    if found:
        raise InputError(
            f"{where}: {', '.join(sorted(found))}, which is no finite number: give a number"
        )


def _innermost(
    mistakes: Iterator[jsonschema.ValidationError],
) -> Iterator[jsonschema.ValidationError]:
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


def _sentence(mistake: jsonschema.ValidationError) -> str:
    key = ": ".join(str(each) for each in mistake.absolute_path)
    at = f" under `{key}:`" if key else ""
    match mistake.validator:
        case "additionalProperties":
            allowed = sorted(mistake.schema.get("properties", {}))
            patterns = mistake.schema.get("patternProperties", {})
            wrong = next(
                name
                for name in mistake.instance
                if name not in allowed and not any(re.search(each, str(name)) for each in patterns)
            )
            near = difflib.get_close_matches(str(wrong), allowed, 1)
            hint = f"did you mean `{near[0]}`?" if near else f"allowed are {', '.join(allowed)}"
            return f"unknown key `{wrong}`{at}: {hint}"
        case "required":
            missing = next(name for name in mistake.validator_value if name not in mistake.instance)
            what = mistake.schema.get("properties", {}).get(missing, {}).get("description", "")
            what = f" ({what[0].lower()}{what[1:].rstrip('.')})" if what else ""
            return f"the key `{missing}` is missing{at}: add it{what}"
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
            return f"`{key}` has no use here: take it out"
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


def _short(value: object) -> str:
    text = "empty" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
