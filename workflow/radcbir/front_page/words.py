"""What may be concluded from a standing, in sentences.

A sentence is a list of parts; parts in ``Strong`` are the words to see first.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from radcbir.core.text.retrieved import one, several
from radcbir.front_page.standing import UNDECIDED, Ranked, Standing
from radcbir.metrics.intervals import FEW, FEWEST_FOR_VERDICT, caution

NAMED = 4
"""Of so many models the names are given, of more their number."""


class Strong(str):
    """Words that are to be seen first."""


Sentence = Sequence[str]


def plain(sentences: Sequence[Sentence]) -> str:
    """Sentences as text without marks."""
    return " ".join("".join(each) for each in sentences)


def verdict(standing: Standing) -> list[Sentence]:
    """Which model is first, how often its nearest image (series, ...) is right, and from which
    others it cannot be told.
    """
    if not standing.queries or math.isnan(standing.models[0].share):
        return [_nothing(standing)]
    leaders = standing.leaders
    first, nearest = leaders[0], f"nearest {one(standing.retrieved)}"
    if len(standing.models) == 1:
        right = _right(first)
        alone = "One model was measured, so that there is nothing to compare."
        return [[Strong(first.name), f": the {nearest} is right for ", *right, "."], [alone]]
    if len(leaders) > 1:
        names = _names(leaders)
        return [
            [Strong(names), f" are first: their {nearest} is right for ", *_right(first), "."],
            *_controls_among(leaders),
            _compared(standing, leaders),
        ]
    title = Strong(first.name)
    if first.control:
        learned_nothing = f" learned nothing, and its {nearest} is right for "
        return [
            ["A control is first: ", title, learned_nothing, *_right(first), "."],
            _compared(standing, leaders),
            *_best_encoder(standing),
        ]
    return [
        [title, f" is first: its {nearest} is right for ", *_right(first), "."],
        _compared(standing, leaders),
    ]


def errors(name: str, same_region: float, count: int) -> Sentence:
    """What the errors of the model ``name`` are: ``same_region`` is the share of its ``count`` wrong
    nearest images that show the query's modality and region.
    """
    if not count:
        return [f"{name} makes no error."]
    return [
        f"Of the errors of {name}, ",
        Strong(f"{round(100 * same_region)} of 100"),
        " show the right modality and region, and another finding.",
    ]


def surest_half(
    name: str, share: float, low: float, high: float, splits: Sequence[str] = ()
) -> Sentence | None:
    """How many of the surest half of the hits of the model ``name`` are right; None where that is not
    known (NaN). ``splits`` are the query splits that the figure is of: several are named.
    """
    if math.isnan(share):
        return None
    right = Strong(f"{in_hundred(share)} of 100")
    pooled = f", of the query splits {joined(splits)} together" if len(splits) > 1 else ""
    return [
        f"Of the hits of {name} that are called sure (the surest half{pooled}), ",
        right,
        " are right",
        f"{interval(low, high)}.",
    ]


def largest_gap(name: str, gap: Mapping[str, Any] | None) -> Sentence | None:
    """The warning of the group that the model ``name`` works less well for: a row of the table
    ``gaps`` of the analysis subgroups, if there is one.
    """
    if gap is None:
        return None
    worst, best = (in_hundred(float(gap[f"{each}_precision"])) for each in ("worst", "best"))
    attribute = str(gap["attribute"]).replace("_", " ")
    return [
        f"By {attribute}, {name} is right least often for ",
        Strong(str(gap["worst"])),
        f": for {worst} of 100 queries, against {best} of 100 for {gap['best']}.",
    ]


def perturbed(
    name: str, mean: Mapping[str, Any] | None, worst: Mapping[str, Any] | None, worst_title: str
) -> Sentence | None:
    """The warning of what perturbed query images cost the model ``name``: rows of the table ``areas``
    of the analysis robustness, the mean of all perturbations and the worst one, if it is known.
    """
    if mean is None or mean["verdict"] != "less often":
        return None
    before, after = (in_hundred(float(mean[f"{each}_1"])) for each in ("before", "precision"))
    least = ""
    if worst is not None:
        left = in_hundred(float(worst["precision_1"]))
        least = f"; least often with {worst_title}: for {left} of 100"
    return [
        f"When query images are perturbed, {name} is right for ",
        Strong(f"{after} of 100"),
        f" queries instead of {before} of 100{least}.",
    ]


def follows_site(name: str, row: Mapping[str, Any] | None) -> Sentence | None:
    """The warning of neighbors that follow the site rather than the label: a row of the table
    ``robustness_index`` with that verdict, if there is one.
    """
    if row is None:
        return None
    attribute, wrong = row["attribute"], in_hundred(1 - float(row["robustness_index"]))
    return [
        f"Neighbors of {name} follow ",
        Strong(f"the {attribute} rather than the label"),
        f": of those that share one of the two and not the other, {wrong} of 100 share the {attribute}.",
    ]


def told_by_vectors(
    name: str, decoded: Mapping[str, Any] | None, found: Mapping[str, Any] | None
) -> Sentence | None:
    """The warning of what vectors of the model ``name`` tell: rows of the tables ``privacy`` and
    ``reidentified`` of the analysis privacy, if there are any.
    """
    parts: list[str] = []
    if decoded is not None and decoded["verdict"] == "more than the mean image":
        parts += [
            f"From vectors of {name}, ",
            Strong("images can be decoded in part"),
            f" (likeness {decoded['ssim']:.2f}; the mean image has {decoded['mean_image']:.2f}). ",
        ]
    if found is not None and found["low"] > found["chance"]:
        nearest = "image of another study" if found["unit"] == "study" else "other image"
        parts += [
            f"The nearest {nearest} is of the same patient for ",
            Strong(f"{in_hundred(found['recall_at_1'])} of 100 images"),
            f" with {name} (by chance {in_hundred(found['chance'])}).",
        ]
    return parts or None


def few_patients(standing: Standing) -> Sentence | None:
    """The warning of too few patients, if there are too few, or if nothing tells how many."""
    if not standing.asked:
        return None
    if not standing.has_intervals:
        return [
            "There are no intervals of P@1, since the analysis ",
            Strong("uncertainty"),
            " was left out: nobody knows whether the order is the same with other patients.",
        ]
    unit = several(standing.retrieved) if standing.unit == "image" else "patients"
    number = f"{standing.patients:,} {unit}"
    effective = ""
    if round(standing.effective, 1) != standing.patients:
        effective = f" (effectively {standing.effective:.1f}, since some have more queries)"
    return few(number, effective, standing.effective)


def few(number: str, explained: str, effective: float) -> Sentence | None:
    """The warning that queries of an ``effective`` number of patients do not allow some conclusions;
    ``number`` is how many there are, in words.
    """
    found = caution(effective)
    if found in ("no interval", "no verdict"):
        return [
            "The queries come from ",
            Strong(number),
            f"{explained}: with fewer than {FEWEST_FOR_VERDICT}, which model is better cannot be told. With "
            "other patients the order may be another one.",
        ]
    if found:
        return [
            "The queries come from ",
            Strong(number),
            f"{explained}: with fewer than {FEW}, intervals may be too narrow, and most real differences stay "
            "undecided.",
        ]
    return None


def some_have_one_label(one_label: int, queries: int) -> Sentence:
    """The warning that P@1 is of some queries alone."""
    return [
        Strong(f"{one_label:,} of {queries:,} queries"),
        " have exactly one label. P@1 is of these alone.",
    ]


def unknown_patients(standing: Standing) -> Sentence | None:
    """The warning of unknown patients, if any patient is not known."""
    if standing.unit in ("", "patient"):
        return None
    which = "No patient is known." if standing.unit == "image" else "Not every patient is known."
    return [
        Strong(which),
        f" Each {one(standing.retrieved)} without a patient counts as one. If several "
        f"{several(standing.retrieved)} are of one patient, intervals are too narrow, and neighbors "
        "of the same patient count as right.",
    ]


def same_patient(shared: int, drop: float, name: str) -> Sentence | None:
    """The warning of ``shared`` patients in queries and index; ``drop`` is how much P@1 of the model
    ``name`` loses without neighbors of the query's own patient.
    """
    if not shared:
        return None
    who = "1 patient is" if shared == 1 else f"{shared:,} patients are"
    lost = ""
    if not math.isnan(drop) and round(100 * drop) > 0:
        lost = (
            f" Without neighbors of the query's own patient, {name} is right for "
            f"{100 * drop:.0f} of 100 queries fewer."
        )
    return [Strong(f"{who} both in the index and among the queries."), lost]


def contaminated(seen: Sequence[tuple[str, Sequence[str]]]) -> Sentence | None:
    """The warning of models (name, datasets) that have seen a dataset in training."""
    if not seen:
        return None
    listed = "; ".join(f"{name} ({', '.join(datasets)})" for name, datasets in seen)
    return [
        Strong("Models have seen these images in training: "),
        f"{listed}. Their figures may be too high.",
    ]


def not_answerable(standing: Standing) -> Sentence | None:
    """The warning of queries that no index image can answer, where they are a tenth or more."""
    missing = standing.not_answerable
    if not standing.queries or missing < (standing.queries + missing) / 10:
        return None
    return [
        Strong(f"{missing:,} of {standing.queries + missing:,} queries"),
        f" have no index {one(standing.retrieved)} of their label. They are in no figure.",
    ]


def one_class(standing: Standing) -> Sentence | None:
    """The warning of queries that all have the same label."""
    if not standing.queries or standing.classes > 1:
        return None
    return [
        Strong("All queries have the same label."),
        " The figures show how much of the index has it, not how well a model finds it.",
    ]


def in_hundred(share: float) -> str:
    """A share as a whole number of 100; never 0 or 100 of 100 where it is not exactly that."""
    rounded = round(100 * share)
    if rounded == 0 and share > 0:
        return "fewer than 1"
    return "more than 99" if rounded == 100 and share < 1 else f"{rounded}"


def _right(model: Ranked) -> list[str]:
    found: list[str] = [Strong(f"{in_hundred(model.share)} of 100 queries")]
    found.append(interval(model.low, model.high))
    return found


def interval(low: float, high: float) -> str:
    """An interval behind a share; empty without one."""
    if math.isnan(low):
        return ""
    return f" (95 % interval {round(100 * low)} to {round(100 * high)})"


def _nothing(standing: Standing) -> Sentence:
    if not standing.asked:
        return [Strong("Nothing can be measured: "), "no query has exactly one label."]
    if standing.not_answerable and not standing.queries:
        return [
            Strong("Nothing can be measured: "),
            f"no query has an index {one(standing.retrieved)} of its label.",
        ]
    return [Strong("Nothing can be compared: "), "no query was answered by all models."]


def _compared(standing: Standing, leaders: Sequence[Ranked]) -> Sentence:
    """From which others the leaders cannot be told."""
    others = [each for each in standing.models if each not in leaders]
    it = "It" if len(leaders) == 1 else "They"
    if not others:
        return ["No model is better than another one."]
    if all(each.ranks is None for each in standing.models):
        first = f"Whether {it.lower()} would be first with other patients "
        return [first, Strong("cannot be told"), "."]
    undecided = [each for each in others if each.against_best == UNDECIDED]
    if not undecided:
        all_of = "the other model" if len(others) == 1 else f"all {len(others)} others"
        return [f"{it} ", Strong("is better" if it == "It" else "are better"), f" than {all_of}."]
    return [f"{it} ", Strong("cannot be told"), " from ", *_undecided(undecided), "."]


def _undecided(models: Sequence[Ranked]) -> list[str]:
    """Models in words; controls come last, and by name."""
    encoders = [each.name for each in models if not each.control]
    controls = [each.name for each in models if each.control]
    if len(encoders) > NAMED:
        encoders = [*encoders[: NAMED - 1], f"{len(encoders) - NAMED + 1} other encoders"]
    if not controls:
        return [joined(encoders)]
    what = (
        f"the control {controls[0]}, which learned nothing"
        if len(controls) == 1
        else f"the controls {joined(controls)}, which learned nothing"
    )
    return [f"{joined(encoders)}, nor from " if encoders else "", Strong(what)]


def _controls_among(leaders: Sequence[Ranked]) -> list[Sentence]:
    """Which of the leaders learned nothing."""
    controls = [each.name for each in leaders if each.control]
    if not controls:
        return []
    are = "is a control" if len(controls) == 1 else "are controls"
    return [[Strong(f"{joined(controls)} {are}"), " and learned nothing."]]


def _best_encoder(standing: Standing) -> list[Sentence]:
    """The best model that learned something, where a control is first."""
    encoders = [each for each in standing.models if not each.control]
    if not encoders:
        return []
    best = encoders[0]
    return [["The best encoder is ", Strong(best.name), ", right for ", *_right(best), "."]]


def _names(models: Sequence[Ranked]) -> str:
    return joined([each.name for each in models])


def joined(names: Sequence[str]) -> str:
    """Names in a sentence: A, B and C."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def report_words(fronts: Sequence[Mapping[str, Any]], introduction: str) -> str:
    """The first words of Snakemake's report in reStructuredText: each experiment's verdict, then
    the ``introduction``.

    Names are the user's own: nothing in them is markup or a template.
    """
    paragraphs = [
        f"**{_escaped(front['experiment'])}**"
        + (f" (queries: {_escaped(block['split'])})" if len(front["splits"]) > 1 else "")
        + f": {_escaped(block['text'])}"
        for front in fronts
        for block in front["splits"]
    ]
    return "\n\n".join([*paragraphs, introduction])


def _escaped(text: str) -> str:
    marked = "".join(f"\\{each}" if each in "\\`*_|<>[]:" else each for each in text)
    return "".join(f"{{{{ '{each}' }}}}" if each in "{}" else each for each in marked)
