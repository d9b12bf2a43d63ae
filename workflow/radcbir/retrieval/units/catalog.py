"""Images become units: one row per series, study or patient, and the images that belong to it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from radcbir.core.errors import InputError
from radcbir.core.files import atomic_folder, digest, write_text
from radcbir.core.logs import logger
from radcbir.core.text.retrieved import KEYS
from radcbir.datasets.catalog import image_id
from radcbir.datasets.pool import pool

SHARED = ("patient_id", "study_id", "series_id", "view", "sex", "age", "text", "source", "scanner")
"""Columns that a unit has where all its images that have a value have the same."""

LEDGER_COLUMNS = ["dataset", "path", "unit", "what"]

COUNT_COLUMNS = [
    *("dataset", "split", "units", "images", "smallest", "median", "largest"),
    *("mixed_labels", "images_left_out"),
]


@dataclass(frozen=True)
class Units:
    """The units of one dataset, or of an experiment."""

    catalog: pd.DataFrame
    """A row per unit, with the columns of an image's."""
    members: pd.DataFrame
    """Columns unit, image (ids): by unit, then in the order of the slices."""
    ledger: pd.DataFrame
    """Images without a unit and units whose images differ in the label:
    :data:`LEDGER_COLUMNS`."""


@dataclass(frozen=True)
class Pool:
    """The pool of an experiment whose rows are units."""

    units: Units
    taken: pd.DataFrame
    """The counts of :func:`radcbir.datasets.pool.pool`, of units."""
    images: pd.DataFrame
    """The images of these units: the columns of the datasets' catalogs, dataset, unit."""
    counts: pd.DataFrame
    """Units and images per dataset and split: :data:`COUNT_COLUMNS`."""


def pool_units(
    catalogs: Mapping[str, pd.DataFrame],
    experiment: str,
    unit: str,
    index_split: str,
    query_splits: Sequence[str],
    labels: str = "single",
) -> Pool:
    """Pool the units (``series``, ``study``, ``patient``) of an experiment's datasets.

    It is :func:`radcbir.datasets.pool.pool` with a row per unit; ``labels`` as there. Raises
    :class:`InputError` as that does, where a unit has images in two splits, and where no image of a
    dataset says what it belongs to.
    """
    splits = [index_split, *query_splits]
    found = {name: units_of(catalogs[name], name, unit, splits, labels) for name in catalogs}
    pooled, taken = pool(
        {name: each.catalog for name, each in found.items()},
        experiment,
        index_split,
        query_splits,
        labels,
    )
    members = pd.concat([each.members for each in found.values()], ignore_index=True)
    members = members[members["unit"].isin(pooled["id"])].reset_index(drop=True)
    ledger = pd.concat([each.ledger for each in found.values()], ignore_index=True)
    images = pd.concat(
        [catalog.assign(dataset=name) for name, catalog in catalogs.items()], ignore_index=True
    )
    images = members.merge(images, left_on="image", right_on="id").drop(columns="image")
    patients = pooled.set_index("id")["patient_id"]
    images["patient_id"] = images["unit"].map(patients).astype(object)
    units = Units(pooled, members, ledger)
    counts = _counts(units, catalogs)
    for row in counts.to_dict("records"):
        logger.info(
            "%s, split %s: %d units of %d images, %d of them with images whose labels differ; %d "
            "images left out",
            *(row[each] for each in ("dataset", "split", "units", "images")),
            *(row[each] for each in ("mixed_labels", "images_left_out")),
        )
    return Pool(units, taken, images, counts)


def units_of(
    catalog: pd.DataFrame,
    dataset: str,
    unit: str,
    splits: Sequence[str],
    labels: str = "single",
) -> Units:
    """The units of one dataset's images in some ``splits``.

    A unit has the path of its middle image: by position where all its images have one, else by
    number, else by path. Label, modality and region are those of most of its images that have any
    (of equally many, the first by name). With ``labels`` = ``multi`` a unit has every label that
    any of its images has. What else an image has, such as the scanner, is the unit's where no two
    of its images differ.
    """
    images = catalog[catalog["split"].isin(splits)].reset_index(drop=True)
    column = KEYS[unit][-1]
    has = images[column].notna()
    if len(images) and not has.any():
        raise InputError(
            f"no image of the dataset '{dataset}' has a {column}, which `unit: {unit}` needs: fill "
            f"in the column {column} of its CSV, or leave `unit:` out"
        )
    lost = pd.DataFrame(
        {
            "dataset": dataset,
            "path": images.loc[~has, "path"],
            "unit": pd.array([pd.NA] * int((~has).sum()), dtype="Int64"),
            "what": f"left out: no {column}",
        }
    )
    images = images[has].reset_index(drop=True)
    key = images[list(KEYS[unit])].fillna("").astype(str).agg("\0".join, axis=1)
    images["unit"] = key.map({each: image_id(dataset, f"{unit}\0{each}") for each in key.unique()})
    _refuse_split_units(images, dataset, unit)
    images = in_order(images)
    ordered = images.groupby("unit", sort=False)
    middle = ordered.cumcount() == (ordered["id"].transform("size") - 1) // 2
    rows = images[middle].set_index("unit")
    units = rows.assign(id=rows.index.to_numpy(np.int64), instance=np.nan, position=np.nan)
    for each in SHARED:
        known = ordered[each]
        units[each] = _or_none(known.first().where(known.nunique().eq(1)), units[each])
    for each in ("modality", "region"):
        found = _votes(images["unit"], images[each])[0].reindex(units.index)
        units[each] = _or_none(found, units[each])
    lists = images["labels"].map(sorted).map("|".join).where(images["labels"].map(len) > 0)
    chosen, votes = _votes(images["unit"], lists)
    if labels == "multi":
        chosen, votes = _union(votes), votes.iloc[:0]
    units["labels"] = [
        each.split("|") if isinstance(each, str) else [] for each in chosen.reindex(units.index)
    ]
    units["label"] = [each[0] if len(each) == 1 else None for each in units["labels"]]
    units = units.reset_index(drop=True)[list(catalog.columns)]
    members = images[["unit", "id"]].rename(columns={"id": "image"})
    ledger = pd.concat([lost, _mixed(votes, units, dataset)], ignore_index=True)
    return Units(
        units.sort_values("path", kind="stable", ignore_index=True),
        members.reset_index(drop=True),
        ledger[LEDGER_COLUMNS],
    )


def write_members(members: pd.DataFrame, folder: str | Path) -> None:
    """Write ``{digest}.tsv``: the images of each unit (unit, image), in their order.

    The name is the content's digest: as long as no unit gains or loses an image, no vector is
    computed again.
    """
    content = members.to_csv(sep="\t", index=False)
    with atomic_folder(folder) as temporary:
        write_text(temporary / f"{digest(content.encode())}.tsv", content)


def read_members(path: str | Path) -> pd.DataFrame:
    """The table of :func:`write_members`."""
    return pd.read_csv(path, sep="\t", dtype=np.int64)


def of_itself(members: pd.DataFrame) -> pd.DataFrame:
    """The table of :func:`read_members` for models that have one vector of each unit: it is its own
    only image.
    """
    units = members["unit"].unique()
    return pd.DataFrame({"unit": units, "image": units})


def in_order(images: pd.DataFrame) -> pd.DataFrame:
    """The images by unit, then by series, then as the slices lie: by ``position`` or ``instance`` where
    all images of the unit have one, then by the numbers in their paths.

    ``images`` has these columns, ``unit``, ``series_id`` and ``path``.
    """
    keys = {"unit": images["unit"], "series": images["series_id"].fillna("").astype(str)}
    for each in ("position", "instance"):
        known = images[each].notna().groupby(images["unit"]).transform("all")
        keys[each] = images[each].where(known, 0.0)
    keys["path"] = images["path"].map(_with_padded_numbers)
    order = pd.DataFrame(keys).sort_values(list(keys), kind="stable").index
    return images.loc[order].reset_index(drop=True)


def _refuse_split_units(images: pd.DataFrame, dataset: str, unit: str) -> None:
    """Raise :class:`InputError` for a unit whose images are in two splits."""
    several = images.groupby("unit")["split"].nunique()
    several = several[several > 1]
    if len(several):
        first = images[images["unit"] == several.index[0]]
        raise InputError(
            f"the {unit} '{first[KEYS[unit][-1]].iloc[0]}' of the dataset '{dataset}' has images in "
            f"the splits {' and '.join(sorted(first['split'].unique()))} ({len(several)} such "
            f"units): give all images of a {unit} the same split in its CSV"
        )


def _with_padded_numbers(path: str) -> str:
    """Paths in the order of the numbers in them: slice 9 before slice 10."""
    return re.sub(r"\d+", lambda found: found.group().zfill(20), path)


def _or_none(values: pd.Series, like: pd.Series) -> pd.Series:
    """The values in the type of a catalog's column: missing words are None there."""
    return values.astype(object).where(values.notna(), None).astype(like.dtype)


def _votes(unit: pd.Series, values: pd.Series) -> tuple[pd.Series, pd.DataFrame]:
    """The value of most images of each unit, and all counts (unit, value, votes), the most first."""
    votes = pd.DataFrame({"unit": unit, "value": values}).dropna()
    counts = votes.groupby(["unit", "value"], as_index=False).size()
    counts = counts.rename(columns={"size": "votes"}).sort_values(
        ["unit", "votes", "value"], ascending=[True, False, True], kind="stable"
    )
    return counts.groupby("unit")["value"].first(), counts


def _union(votes: pd.DataFrame) -> pd.Series:
    """All labels of each unit that any of its images has, sorted, with ``|`` between them."""
    every = votes.groupby("unit")["value"].agg("|".join)
    return every.map(lambda each: "|".join(sorted(set(each.split("|")))))


def _mixed(votes: pd.DataFrame, units: pd.DataFrame, dataset: str) -> pd.DataFrame:
    """A row of the ledger for each unit whose images do not agree on the label."""
    mixed = votes[votes["unit"].duplicated(keep=False)]
    words = mixed["value"].str.replace("|", " and ") + ": " + mixed["votes"].astype(str)
    what = words.groupby(mixed["unit"]).agg(", ".join)
    return pd.DataFrame(
        {
            "dataset": dataset,
            "path": units.set_index("id")["path"].reindex(what.index).to_numpy(),
            "unit": what.index.astype("Int64"),
            "what": (MIXED + what).to_numpy(dtype=object),
        }
    )


MIXED = "labels differ: "


def _counts(units: Units, catalogs: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Units and images per dataset and split."""
    sizes = units.members["unit"].value_counts()
    mixed = set(units.ledger["unit"].dropna().astype(np.int64))
    rows = []
    for (dataset, split), here in units.catalog.groupby(["dataset", "split"]):
        images = sizes.loc[here["id"]]
        listed = catalogs[str(dataset)]
        listed = listed[listed["split"] == split]
        rows.append(
            {
                "dataset": dataset,
                "split": split,
                "units": len(here),
                "images": int(images.sum()),
                "smallest": int(images.min()),
                "median": float(images.median()),
                "largest": int(images.max()),
                "mixed_labels": int(here["id"].isin(mixed).sum()),
                "images_left_out": len(listed) - int(images.sum()),
            }
        )
    return pd.DataFrame(rows, columns=COUNT_COLUMNS)
