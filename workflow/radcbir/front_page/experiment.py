"""What the front page says of one experiment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from radcbir.analyses.order import FIGURE
from radcbir.analyses.robustness.compute import ALL
from radcbir.analyses.robustness.kinds import PERTURBATIONS
from radcbir.core.text.retrieved import one, several
from radcbir.front_page import words
from radcbir.front_page.errors import Errors, kind_in_words
from radcbir.front_page.standing import Standing
from radcbir.front_page.structures import by_structures, structures_shown
from radcbir.images.thumbnails import Thumbnails


@dataclass(frozen=True)
class Circumstances:
    """What is known of an experiment beside its figures."""

    shared_patients: int = 0
    """How many patients are both in the index and among the queries."""
    seen: Sequence[tuple[str, Sequence[str]]] = ()
    """Models that have seen datasets of the experiment in training: name, datasets."""
    index_note: str = ""
    """What an approximate index means for the figures; empty for an exact search."""
    query_splits: Sequence[str] = ()
    """All query splits: the analysis confidence takes them together."""


def split_block(
    standing: Standing,
    found: Errors | None,
    drop: float,
    known: Circumstances,
    thumbnails: Thumbnails,
    confidence: pd.DataFrame | None = None,
    gaps: pd.DataFrame | None = None,
    areas: pd.DataFrame | None = None,
    sites: pd.DataFrame | None = None,
    told: tuple[pd.DataFrame, pd.DataFrame] | None = None,
) -> dict[str, Any]:
    """What is shown of one query split, ready for the template and for JSON.

    ``found`` are the errors of the best model (None where nothing is measured), ``drop`` how much
    of its P@1 is lost without neighbors of the query's own patient. ``confidence`` is the table of
    that analysis, ``gaps`` that of the analysis subgroups, ``areas`` that of robustness, ``sites``
    that of the robustness index, and ``told`` the two of privacy, where there are any.
    """
    name = standing.models[0].name
    sentences = words.verdict(standing)
    if found is not None:
        sentences = [*sentences, words.errors(name, found.same_region, found.count)]
    if (sure := _surest_half(confidence, standing, known.query_splits)) is not None:
        sentences = [*sentences, sure]
    warnings = [
        words.few_patients(standing),
        words.same_patient(known.shared_patients, drop, name),
        words.contaminated(known.seen),
        words.unknown_patients(standing),
        words.not_answerable(standing),
        words.one_class(standing),
        [known.index_note] if known.index_note else None,
        words.largest_gap(name, _largest_gap(gaps, standing)),
        words.perturbed(name, *_perturbed(areas, standing)),
        words.follows_site(name, _followed(sites, standing)),
        words.told_by_vectors(name, *_told(told, standing)),
    ]
    return {
        "split": standing.split,
        "verdict": [_parts(each) for each in sentences],
        "text": words.plain(sentences),
        "warnings": [_parts(each) for each in warnings if each is not None],
        "measure": "precision",
        "queries": standing.queries,
        "retrieved": [one(standing.retrieved), several(standing.retrieved)],
        "index_images": standing.index_images,
        "classes": standing.classes,
        "chance": _number(standing.chance),
        "ceiling": _number(standing.ceiling),
        "rows": [
            {
                "name": each.name,
                "control": each.control,
                "share": _number(each.share),
                "low": _number(each.low),
                "high": _number(each.high),
                "first": _number(each.first),
                "ranks": each.ranks,
                "against_best": each.against_best,
                "lacking": each.lacking,
            }
            for each in standing.models
        ],
        "best": name,
        "errors": [
            {
                **kind_in_words(each),
                "count": each.count,
                "query": thumbnails.name(*each.query),
                "neighbor": thumbnails.name(*each.neighbor),
                "query_path": each.query[1],
                "neighbor_path": each.neighbor[1],
            }
            for each in (found.typical if found else [])
        ],
        "error_count": found.count if found else 0,
    }


def add_sentence(block: dict[str, Any], sentence: words.Sentence) -> None:
    """Add a sentence to the verdict of a :func:`split_block`, in place."""
    block["verdict"].append(_parts(sentence))
    block["text"] += " " + words.plain([sentence])


def show_structures(
    block: dict[str, Any],
    standing: Standing,
    table: pd.DataFrame,
    cards: Mapping[str, Mapping],
    queries: int,
    index_images: int,
) -> None:
    """Fill in a :func:`split_block` of images with several labels from ``region_recall.csv``, in
    place: a sentence on the best model, or all of it where less than half of the queries have exactly
    one label. ``queries`` and ``index_images`` count all images of the two splits.
    """
    one_label = standing.queries + standing.not_answerable
    if 2 * one_label >= queries:
        best = standing.models[0]
        sentence = structures_shown(table, standing.split, best.name, best.slug)
        if sentence is not None:
            add_sentence(block, sentence)
        if one_label < queries:
            block["warnings"].insert(0, _parts(words.some_have_one_label(one_label, queries)))
        return
    verdict, warnings, rows = by_structures(table, standing.split, cards, one_label)
    if not rows:
        return
    most = max(each["queries"] for each in rows)
    block |= {
        "verdict": [_parts(each) for each in verdict],
        "text": words.plain(verdict),
        "warnings": [*map(_parts, warnings), *block["warnings"]],
        "measure": "structures",
        "ceiling": None,
        "errors": [],
        "queries": most,
        "index_images": index_images,
        "classes": rows[0]["labels"],
        "chance": rows[0]["chance"],
        "rows": [
            {
                "name": each["name"],
                "control": each["control"],
                **{end: _number(each[end]) for end in ("low", "high")},
                "share": each["value"],
                "first": None,
                "ranks": None,
                "against_best": "",
                "lacking": most - each["queries"],
            }
            for each in rows
        ],
    }


def _surest_half(
    table: pd.DataFrame | None, standing: Standing, splits: Sequence[str]
) -> words.Sentence | None:
    """The sentence on the surest hits of the best model, if it has any."""
    if table is None:
        return None
    best = standing.models[0]
    rows = table[(table["model"] == best.slug) & table["chosen"].astype(bool)]
    rows = rows[rows["measure"] == "right_of_surest_half"]
    if rows.empty:
        return None
    share, low, high = (float(rows[each].iloc[0]) for each in ("value", "low", "high"))
    return words.surest_half(best.name, share, low, high, splits)


def _largest_gap(table: pd.DataFrame | None, standing: Standing) -> dict[Any, Any] | None:
    """The row of the largest gap of P@1 of the best model that is more than chance, if any is."""
    if table is None:
        return None
    rows = table[(table["model"] == standing.models[0].slug) & (table["k"] == 1)]
    rows = rows[(rows["query_split"] == standing.split) & (rows["verdict"] == "apart")]
    return max(rows.to_dict("records"), key=lambda row: row["gap"], default=None)


def _perturbed(
    table: pd.DataFrame | None, standing: Standing
) -> tuple[dict[Any, Any] | None, dict[Any, Any] | None, str]:
    """Of the best model the rows of all perturbations and of the worst one, and what that is called."""
    if table is None:
        return None, None, ""
    rows = table[table["model"] == standing.models[0].slug]
    rows = rows[rows["query_split"] == standing.split]
    mean = next(iter(rows[rows["perturbation"] == ALL].to_dict("records")), None)
    worst = next(iter(rows[rows["worst"].astype(bool)].to_dict("records")), None)
    return mean, worst, PERTURBATIONS[worst["perturbation"]].title if worst else ""


def _followed(table: pd.DataFrame | None, standing: Standing) -> dict[Any, Any] | None:
    """The row of the attribute that neighbors of the best model follow most, if they follow one
    rather than the label.
    """
    if table is None:
        return None
    rows = table[(table["model"] == standing.models[0].slug) & (table["verdict"] == "the site")]
    rows = rows[rows["query_split"] == standing.split]
    return min(rows.to_dict("records"), key=lambda row: row["robustness_index"], default=None)


def _told(
    tables: tuple[pd.DataFrame, pd.DataFrame] | None, standing: Standing
) -> tuple[dict[Any, Any] | None, dict[Any, Any] | None]:
    """The rows of the best model: what is decoded of this query split, and who is found again."""
    if tables is None:
        return None, None
    decoded, found = (each[each["model"] == standing.models[0].slug] for each in tables)
    decoded = decoded[decoded["query_split"] == standing.split]
    return next(iter(decoded.to_dict("records")), None), next(iter(found.to_dict("records")), None)


def own_patient_drop(summary: pd.DataFrame, split: str, model: str) -> float:
    """How much P@1 of a model loses without neighbors of the query's own patient; NaN where patients
    are not known.
    """
    here = summary[(summary["query_split"] == split) & (summary["model"] == model)]
    for column in ("metric", "average"):
        here = here[here[column] == FIGURE[column]]
    values = here.set_index("neighbors")["value"]
    if "other_patients" not in values.index:
        return float("nan")
    return float(values["all"] - values["other_patients"])


def patients_in_both(catalog: pd.DataFrame, one: str, other: str) -> int:
    """How many patients have images in both splits."""
    patients = catalog.dropna(subset=["patient_id"]).groupby("split")["patient_id"].agg(set)
    return len(patients.get(one, set()) & patients.get(other, set()))


def seen_in_training(
    statuses: Mapping[str, Mapping[str, str]], cards: Mapping[str, Mapping]
) -> list[tuple[str, list[str]]]:
    """Models that have seen datasets: names, and the datasets with the status ``seen``."""
    found = [
        (str(cards[model]["name"]), [name for name, status in of.items() if status == "seen"])
        for model, of in statuses.items()
    ]
    return [each for each in found if each[1]]


def _parts(sentence: words.Sentence) -> list[tuple[str, bool]]:
    """Text and whether it is to be seen first."""
    return [(str(part), isinstance(part, words.Strong)) for part in sentence if part]


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return None if pd.isna(value) else float(value)
