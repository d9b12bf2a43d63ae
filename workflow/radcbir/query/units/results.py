"""What query series, studies and patients found: the table, the ledger, and the slices that are shown."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from radcbir.analyses.confidence.stored import Stored
from radcbir.datasets.catalog import LEDGER_COLUMNS
from radcbir.embedding import store
from radcbir.query.image_list import Query, units_in
from radcbir.query.results import query_ledger, result_table
from radcbir.query.units.group import members_of
from radcbir.retrieval.units.slices import StoredSlices, nearest, stored_slices

UNIT_COLUMNS = [
    *("query", "query_slices", "model", "rank", "neighbor", "score", "labels", "dataset"),
    *("patient_id", "study_id", "series_id", "neighbor_id", "neighbor_slices", "query_slice"),
    *("chance", "unlike"),
]

Rejected = Mapping[str, Sequence[tuple[int, str, str]]]
"""Model -> what it rejected: (place, path, reason)."""


@dataclass(frozen=True)
class Indexed:
    """The units of the experiment."""

    catalog: pd.DataFrame
    """A row per unit: id, path, dataset, labels, patient_id, study_id, series_id."""
    images: pd.DataFrame
    """Their slices in order: unit, id, dataset, path, split."""

    def smallest(self, splits: Sequence[str]) -> int:
        """The fewest slices of a unit of some splits."""
        of_splits = self.images[self.images["split"].isin(splits)]
        return int(of_splits["unit"].value_counts().min())


def shown_slices(
    table: pd.DataFrame,
    members: pd.DataFrame,
    embedded: str | Path | None,
    stored: StoredSlices | None,
    images: pd.DataFrame,
) -> pd.DataFrame:
    """Per row of a neighbor table the slice of the neighbor that is shown (``place`` among its
    slices, from 0) and the slice of the query that it is nearest to (``asked``, a place in the list
    of queries), and from how many slices the query's vector was made (``made_from``).

    ``embedded`` has the vectors of the query's slices, ``stored`` those of the neighbors; without
    them, for a model of whole volumes, the middle slice is shown, and ``asked`` is -1.
    """
    sizes = images["unit"].value_counts()
    own = dict(iter(members.groupby("unit")["image"]))
    rows = []
    for query, here in table.groupby("query", sort=False):
        if embedded is None or stored is None:
            made_from = len(own[query])
            for row, unit in here["neighbor"].items():
                rows.append((row, (int(sizes[unit]) - 1) // 2, -1, made_from))
            continue
        slices, vectors = store.read([embedded], own[query].to_numpy())
        for row, unit in here["neighbor"].items():
            places, of_unit = stored.of(int(unit))
            asked, found, _ = nearest(vectors, of_unit)
            rows.append((row, int(places[found]), int(slices[asked]), len(slices)))
    columns = ["row", "place", "asked", "made_from"]
    return pd.DataFrame(rows, columns=columns).set_index("row").loc[table.index]


def shown_by_model(
    found: Mapping[str, pd.DataFrame],
    embedded: Mapping[str, str | Path],
    indexed: Mapping[str, Mapping[str, str | Path]],
    members: pd.DataFrame,
    images: pd.DataFrame,
) -> dict[str, pd.DataFrame]:
    """:func:`shown_slices` of each model of ``found``, which maps it to its neighbor table.

    Of the models whose units are made from slices, ``embedded`` is the file with the vectors of the
    query images, ``indexed`` are those of the images of each dataset.
    """
    shown = {}
    for model, table in found.items():
        own = embedded.get(model)
        with stored_slices(indexed[model], images) if own else nullcontext() as stored:
            shown[model] = shown_slices(table, members, own, stored, images)
    return shown


def unit_table(
    queries: Sequence[Query],
    found: Mapping[str, pd.DataFrame],
    shown: Mapping[str, pd.DataFrame],
    indexed: Indexed,
    fits: Mapping[str, Stored],
    splits: Sequence[str],
) -> tuple[pd.DataFrame, list[str]]:
    """One row per query unit, model and neighbor (:data:`UNIT_COLUMNS`), and what is said of the
    slices of each row.

    ``found`` maps a model to its neighbor table, whose queries are the places of the units,
    ``shown`` to its :func:`shown_slices`. ``chance`` and ``unlike`` are missing for a query of fewer
    slices than any unit of the query ``splits``: the fits know none like it.
    """
    names, _ = members_of(queries)
    units = [Query(name, "") for name in names]
    table = result_table(units, found, indexed.catalog, fits)
    parts = [
        pd.concat([each[["query", "rank"]], shown[model]], axis=1).assign(
            place_of_model=number, model=model
        )
        for number, (model, each) in enumerate(found.items())
    ]
    chosen = pd.concat(parts).sort_values(
        ["query", "place_of_model", "rank"], kind="stable", ignore_index=True
    )
    slices = indexed.images[indexed.images["unit"].isin(table["neighbor_id"])]
    slices = slices.assign(place=slices.groupby("unit", sort=False).cumcount())
    paths = slices.set_index(["unit", "place"])["path"]
    known = indexed.catalog.set_index("id").loc[table["neighbor_id"]]
    table = table.assign(
        query_slices=chosen["made_from"],
        neighbor=paths.loc[
            list(zip(table["neighbor_id"], chosen["place"], strict=True))
        ].to_numpy(),
        study_id=known["study_id"].to_numpy(),
        series_id=known["series_id"].to_numpy(),
        neighbor_slices=slices["unit"].value_counts().loc[table["neighbor_id"]].to_numpy(),
        query_slice=[queries[each].name if each >= 0 else "" for each in chosen["asked"]],
    )
    few = table["query_slices"] < indexed.smallest(splits)
    table["chance"] = table["chance"].mask(few)
    table["unlike"] = table["unlike"].mask(few, None)
    return table[UNIT_COLUMNS], _notes(table, chosen, queries)


def _notes(table: pd.DataFrame, chosen: pd.DataFrame, queries: Sequence[Query]) -> list[str]:
    """Which slice of a neighbor is shown, and the slice of the query that it is nearest to."""
    _, members = members_of(queries)
    number = dict(zip(members["image"], members.groupby("unit").cumcount() + 1, strict=True))
    found = []
    for place, count, asked in zip(
        chosen["place"], table["neighbor_slices"], chosen["asked"], strict=True
    ):
        like = f", like {number[asked]} of the query" if asked >= 0 else ""
        found.append(f"slice {place + 1} of {count}{like}")
    return found


def unit_ledger(queries: Sequence[Query], of_slices: Rejected, of_units: Rejected) -> pd.DataFrame:
    """The slices that could not be searched with, then the units, which have no neighbors then: the
    ledger of :func:`radcbir.query.results.query_ledger`, with the ``stage`` ``slice`` or ``query``.

    ``of_slices`` are the rejected images of the models that have vectors of images (by their place
    in the list), ``of_units`` the rejected units of all models.
    """
    names, _ = members_of(queries)
    left_out = [(each.name, "slice", "", each.left_out) for each in queries if each.left_out]
    parts = [
        query_ledger(queries, of_slices).assign(stage="slice"),
        pd.DataFrame(left_out, columns=LEDGER_COLUMNS),
        query_ledger([Query(name, "") for name in names], of_units),
    ]
    return pd.concat([each for each in parts if len(each)] or parts, ignore_index=True)


def pictures(queries: Sequence[Query], rejected: Rejected) -> tuple[list[Query], dict[str, str]]:
    """The units as the page shows them: each with the path of its middle slice, of those that no
    model rejected, if there are any; and by name, how many slices each has.
    """
    bad = {place for listed in rejected.values() for place, *_ in listed}
    found, captions = [], {}
    for name, here in units_in(queries).items():
        read = [each for each in here if each not in bad]
        places = read or here
        found.append(Query(name, queries[places[(len(places) - 1) // 2]].path))
        of_all = "" if len(read) == len(here) else f"{len(read)} of "
        captions[name] = f"{of_all}{len(here)} {'slice' if len(here) == 1 else 'slices'}"
    return found, captions
