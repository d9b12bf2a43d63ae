"""What the page may send, checked before anything else sees it: JSON -> a :class:`Question`.

The schema is here, in one place, and each mistake is one sentence. Whatever passes has the types
that are written below; whether its names and ids exist is for the engine to say.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from radcbir.core.errors import InputError
from radcbir.images.address import PLANES

MOST_NEIGHBORS, MOST_ITEMS, MOST_MODELS, LONGEST_TEXT = 200, 128, 2, 1000

MOST_MARKS = 1000
"""Images that may be marked, and values of one filter that may be chosen."""

LONGEST_NAME = 500
"""Characters of a name: of an experiment, a model, a label, a file."""

PARTS = ("frame", *PLANES, "volume")

FORM = "the question is not of the page's form: reload the page"

_ID = re.compile(r"-?[0-9]{1,19}")


@dataclass(frozen=True)
class Item:
    """One part of a query: an upload, an image of the catalog, or a text."""

    kind: str
    file: int = -1
    """The place of an upload among the files that came."""
    id: int = 0
    """The image of the catalog."""
    text: str = ""
    crop: tuple[float, float, float, float] | None = None
    """Left, top, right, bottom as shares of width and height; None: all of it."""
    part: Mapping[str, int] = field(default_factory=dict)
    """The frame, or the plane's slice and the volume; empty: the file's first or middle one."""
    slices: tuple[int, int] | None = None
    """The first and the last slice of a series, study or patient of the catalog, from 0; None: all."""


@dataclass(frozen=True)
class Question:
    """What the page wants to know."""

    experiment: str
    models: tuple[str, ...] = ()
    items: tuple[Item, ...] = ()
    right: tuple[int, ...] = ()
    wrong: tuple[int, ...] = ()
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Facet -> the values of which an image has to have one."""
    k: int = 24
    fold: float | None = None
    """Images more similar than this are near duplicates; None: nothing is folded."""
    per_patient: bool = False
    """Whether each patient has one result, the best one."""
    place: bool = False
    """Whether the query is a part, and series are ordered by the place where it fits best."""
    read_as: str = ""
    """The dataset whose intensity policy uploads get; empty: the experiment's first."""
    id: int | None = None
    """The image of the catalog that a match is looked for in."""
    part: Mapping[str, int] = field(default_factory=dict)
    """The part of the file that a preview shows."""


def parse_json(text: str) -> dict:
    """The JSON object in a text. Raises :class:`InputError` where it is none, or no text at all
    could have been made of it (NaN, half a character, nested without end, endless numbers).
    """

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        found = json.loads(text, parse_constant=refuse)
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        raise InputError(FORM) from None
    if not isinstance(found, dict):
        raise InputError(FORM)
    return found


def search_question(given: Mapping, files: int) -> Question:
    """A question for similar images, with so many files. Raises :class:`InputError`."""
    return _question(given, files, ("models", "items"))


def match_question(given: Mapping, files: int) -> Question:
    """A question for where an image of the catalog matches. Raises :class:`InputError`."""
    return _question(given, files, ("models", "items", "id"))


def preview_question(given: Mapping, files: int) -> Question:
    """A question for what the one file that came looks like. Raises :class:`InputError`."""
    if not files:
        raise InputError("no file came: choose an image")
    return _question(given, files, ())


def _question(given: Mapping, files: int, needed: tuple[str, ...]) -> Question:
    """The keys that are given or needed, each checked."""
    known: dict[str, Callable[[object], Any]] = {
        "experiment": lambda value: _name(value, "the experiment"),
        "models": _models,
        "items": lambda value: _items(value, files),
        "right": _ids,
        "wrong": _ids,
        "filters": _filters,
        "k": _count,
        "fold": _similarity,
        "per_patient": lambda value: _flag(value, "one result per patient"),
        "place": lambda value: _flag(value, "the order by the best place"),
        "read_as": lambda value: _name(value, "the dataset to read uploads as") if value else "",
        "id": image_id,
        "part": _part,
    }
    for key in given:
        if key not in known:
            raise InputError(f"the question has an unknown key '{shown(key)}': reload the page")
    wanted = {key: given.get(key) for key in ("experiment", *needed)} | dict(given)
    return Question(**{key: known[key](value) for key, value in wanted.items()})


def _name(value: object, what: str) -> str:
    """A name, as text on one line. Raises :class:`InputError`."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME:
        raise InputError(f"{what} is named by {_kind(value)}: reload the page")
    return value


def shown(value: object) -> str:
    """What was given, short and on one line, to be put into a sentence."""
    if not isinstance(value, str | int | float):
        return _kind(value)
    text = " ".join("".join(each if each.isprintable() else " " for each in str(value)).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def file_name(given: str | None) -> str:
    """The name of an upload as it is shown; its end, which tells the format, is kept."""
    text = "".join(each if each.isprintable() else " " for each in given or "")
    text = " ".join(text.split()) or "image"
    return text if len(text) <= 100 else f"{text[:70]}...{text[-20:]}"


def _kind(value: object) -> str:
    if isinstance(value, str):
        return f"a text of {len(value)} characters"
    kinds = {bool: "true or false", int: "a number", float: "a number", list: "a list"}
    return kinds.get(type(value), "nothing" if value is None else "an object")


def _models(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_MODELS:
        raise InputError("choose one model, or two to compare")
    return tuple(dict.fromkeys(_name(each, "a model") for each in value))


def _items(value: object, files: int) -> tuple[Item, ...]:
    if not isinstance(value, list) or not value:
        raise InputError(
            "the query is empty: drop an image, type a text, or start from one of the samples"
        )
    if len(value) > MOST_ITEMS:
        raise InputError(f"the query has {len(value)} items: take {MOST_ITEMS} at most")
    return tuple(_item(each, files) for each in value)


def _item(given: Any, files: int) -> Item:
    kind = given.get("kind") if isinstance(given, Mapping) else None
    if kind not in ("upload", "image", "text"):
        raise InputError("the query has an item of an unknown kind: reload the page")
    crop, part = _crop(given.get("crop")), _part(given.get("part"))
    if kind == "upload":
        file = given.get("file")
        if type(file) is not int or not 0 <= file < files:
            raise InputError("a file of the query did not arrive: drop it again")
        return Item(kind, file=file, crop=crop, part=part)
    if kind == "image":
        slices = _slices(given.get("slices"))
        return Item(kind, id=image_id(given.get("id")), crop=crop, slices=slices)
    text = given.get("text", "")
    text = " ".join(text.split()) if isinstance(text, str) else ""
    if not text:
        raise InputError("the text is empty: type what to look for")
    if len(text) > LONGEST_TEXT:
        raise InputError(f"the text has {len(text)} characters: {LONGEST_TEXT} are enough")
    return Item(kind, text=text)


def _ids(value: object) -> tuple[int, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MOST_MARKS:
        raise InputError(f"mark {MOST_MARKS} images at most: take marks away, or reload the page")
    return tuple(image_id(each) for each in value)


def image_id(value: object) -> int:
    """The id of an image, which comes as text: it has more digits than a browser's numbers.

    Raises :class:`InputError`.
    """
    if isinstance(value, str) and _ID.fullmatch(value) and -(1 << 63) <= int(value) < 1 << 63:
        return int(value)
    raise InputError("an image is named by something that is no id: reload the page")


def _filters(value: object) -> dict[str, tuple[str, ...]]:
    found = {} if value is None else value
    if not isinstance(found, Mapping) or not all(
        isinstance(values, list)
        and len(values) <= MOST_MARKS
        and all(isinstance(each, str) for each in values)
        for values in found.values()
    ):
        raise InputError("the filters are not of the page's form: reload the page")
    return {facet: tuple(values) for facet, values in found.items() if values}


def _count(value: object) -> int:
    if type(value) is not int or not 1 <= value <= MOST_NEIGHBORS:
        raise InputError(f"k is {shown(value)}: choose a whole number from 1 to {MOST_NEIGHBORS}")
    return value


def _flag(value: object, what: str) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{what} is switched by true or false: reload the page")
    return value


def _similarity(value: Any) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 < value <= 1:
        raise InputError("near duplicates are found by a similarity between 0 and 1: correct it")
    return float(value)


def _crop(value: object) -> tuple[float, float, float, float] | None:
    if value is None:
        return None
    if isinstance(value, list) and len(value) == 4 and all(map(_is_number, value)):
        left, top, right, bottom = map(float, value)
        if 0 <= left < right <= 1 and 0 <= top < bottom <= 1:
            whole = (left, top, right, bottom) == (0, 0, 1, 1)
            return None if whole else (left, top, right, bottom)
    raise InputError("the region is not within the image: draw it again")


def _slices(value: object) -> tuple[int, int] | None:
    if value is None:
        return None
    if (
        isinstance(value, list)
        and len(value) == 2
        and all(type(each) is int and 0 <= each < 10**9 for each in value)
        and value[0] <= value[1]
    ):
        return value[0], value[1]
    raise InputError("the slices do not go from a first to a last one: choose them again")


def _is_number(value: Any) -> bool:
    """A number that a float can be made of."""
    return type(value) in (int, float) and abs(value) <= 1e9 and math.isfinite(value)


def _part(value: object) -> dict[str, int]:
    found = {} if value is None else value
    if not isinstance(found, Mapping) or not all(
        part in PARTS and type(number) is int and 0 <= number < 10**9
        for part, number in found.items()
    ):
        raise InputError("the part of the file is not of the page's form: reload the page")
    if len([part for part in found if part != "volume"]) > 1:
        raise InputError("choose one slice or frame of the file")
    return dict(found)
