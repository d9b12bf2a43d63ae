"""YAML from outside: a mistake is told with file and line, and a key given twice is one.

PyYAML takes the last of two equal keys without a word.
"""

from pathlib import Path
from typing import Any

import yaml

from radcbir.core.errors import InputError, Mistakes
from radcbir.core.text.plain_text import read_text

MERGE = "tag:yaml.org,2002:merge"
"""The tag of the key ``<<``, which may be repeated."""


def read_yaml(path: str | Path, what: str) -> Any:
    """The content of a YAML file; ``what`` is the file in messages, such as ``the model card``.

    Raises :class:`InputError` where it cannot be read, is no YAML, or gives a key twice.
    """
    text, where = read_text(path, what), f"{what} {path}"
    try:
        _refuse_repeated_keys(yaml.compose(text, Loader=yaml.SafeLoader), where)
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        reason = ", ".join(filter(None, (error.context, error.problem)))
        raise InputError(f"{where} is not valid YAML: {line}{reason}: correct it") from None
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{where} is not valid YAML: {reason}: correct it") from None
    except RecursionError:
        raise InputError(f"{where} is not valid YAML: it is nested too deeply") from None


def _refuse_repeated_keys(root: yaml.Node | None, where: str) -> None:
    """Raise :class:`InputError` with all keys that one mapping gives twice."""
    mistakes, waiting, seen = Mistakes(), [("", root)], set()
    while waiting:
        inside, node = waiting.pop()
        if id(node) in seen:  # aliases repeat a part, or contain themselves
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += [(inside, each) for each in node.value]
        elif isinstance(node, yaml.MappingNode):
            lines: dict[tuple[str, str], int] = {}
            for key, value in node.value:
                name, line = str(key.value), key.start_mark.line + 1
                if (key.tag, name) in lines and key.tag != MERGE:
                    mistakes.add(
                        f"{where} gives the key `{inside}{name}` twice, in line "
                        f"{lines[key.tag, name]} and in line {line}: remove one of them"
                    )
                lines.setdefault((key.tag, name), line)
                waiting.append((f"{inside}{name}: ", value))
    mistakes.refuse()
