"""Checks before any embedding: leaks between splits, duplicates, odd images, classes that no query
can be answered for.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from radcbir.audit.finding import FINDING_COLUMNS, SHOWN, finding
from radcbir.audit.gate import CHECKS
from radcbir.audit.near_duplicates import near_pairs
from radcbir.audit.odd_images import odd, unreadable

NEAR_COLUMNS = ["image", "other", "distance"]


@dataclass
class Audit:
    """What an audit found."""

    findings: pd.DataFrame
    """Columns :data:`FINDING_COLUMNS`; serious ones first, in the order of the checks."""
    near: pd.DataFrame
    """Near and exact duplicates across splits, each pair in both directions: image, other (ids),
    distance in bits."""
    classes: pd.DataFrame
    """Images per label (rows) and split (columns)."""
    pairs: list[tuple[int, int, int]] = field(default_factory=list)
    """The nearest pairs of query, index image and distance, for a page to show."""


def audit(
    pooled: pd.DataFrame,
    inspected: pd.DataFrame | None,
    experiment: str,
    index_split: str,
    query_splits: Sequence[str],
    shared_patients: str,
    distance: int,
    max_rejected: Mapping[str, float],
    shown: int = 12,
) -> Audit:
    """Audit the pooled catalog of an experiment.

    ``inspected`` holds the inspections of all images of its datasets, None where pixels were not
    looked at. ``distance`` is the number of bits by which two hashes of
    near duplicates may differ, ``max_rejected`` the share of each dataset's images that may be
    unreadable.
    """
    rows = [
        *_shared(pooled, experiment, index_split, query_splits, shared_patients),
        *_placeholder_patients(pooled),
        *_alike_labels(pooled, experiment),
        *_classes(pooled, index_split, query_splits),
    ]
    near, pairs = pd.DataFrame({name: pd.Series(dtype=np.int64) for name in NEAR_COLUMNS}), []
    if inspected is not None:
        # a dataset may have no images at all
        seen = inspected.drop(columns=["dataset", "path"])
        looked = pooled.merge(seen, on="id", validate="one_to_one")
        with_images = pooled["dataset"].isin(looked["dataset"].unique())
        if len(looked) != with_images.sum():
            raise ValueError("images of the experiment were not looked at")
        readable = looked[looked["reason"] == ""]
        near = _near(readable[readable["levels"] > 1], index_split, query_splits, distance)
        rows += _duplicates(readable[readable["levels"] > 1], index_split, query_splits)
        rows += _near_findings(looked, near, index_split, query_splits, distance)
        rows += unreadable(inspected, max_rejected)
        rows += odd(readable)
        query = near.merge(looked[["id", "split"]], left_on="image", right_on="id")
        query = query[query["split"] != index_split].sort_values(["distance", "image", "other"])
        pairs = list(
            query.drop_duplicates("image")[NEAR_COLUMNS]
            .head(shown)
            .itertuples(index=False, name=None)
        )
    order = {"serious": 0, "warning": 1, "notice": 2}
    rows.sort(key=lambda row: (order[row["severity"]], list(CHECKS).index(row["check"])))
    findings = pd.DataFrame(rows, columns=FINDING_COLUMNS)
    each = pooled[["split", "labels"]].explode("labels")
    counts = pd.crosstab(each["labels"].rename("label"), each["split"]).reindex(
        columns=[index_split, *query_splits], fill_value=0
    )
    return Audit(findings, near, counts.reset_index().rename_axis(columns=None), pairs)


def _pairs_of_splits(
    index_split: str, query_splits: Sequence[str]
) -> Iterator[tuple[str, str, bool]]:
    """Every two splits, and whether the one is searched by the other."""
    for place, split in enumerate(query_splits):
        yield index_split, split, True
        for other in query_splits[place + 1 :]:
            yield split, other, False


def _shared(
    pooled: pd.DataFrame,
    experiment: str,
    index_split: str,
    query_splits: Sequence[str],
    shared_patients: str,
) -> list[dict]:
    rows = []
    known = pooled["study_id"].notna()
    studies = (
        pooled.loc[known, "dataset"] + ":" + pooled.loc[known, "study_id"].astype(str)
    ).reindex(pooled.index)
    for one, other, searched in _pairs_of_splits(index_split, query_splits):
        here, there = pooled["split"] == one, pooled["split"] == other
        patients = set(pooled.loc[here, "patient_id"].dropna()) & set(
            pooled.loc[there, "patient_id"].dropna()
        )
        of_these = pooled["patient_id"].isin(patients)
        shared = set(studies[here & ~of_these].dropna()) & set(studies[there & ~of_these].dropna())
        severity = "serious" if searched and shared_patients == "refuse" else "notice"
        for check, noun, found in (
            ("shared_patients", "patient", patients),
            ("shared_studies", "study", shared),
        ):
            if found:
                nouns = noun if len(found) == 1 else "patients" if noun == "patient" else "studies"
                what = f"the splits '{one}' and '{other}' of experiment '{experiment}' share {len(found)} {nouns}"
                rows.append(finding(check, severity, what, len(found), sorted(found)))
    unknown = pooled["patient_id"].isna()
    if unknown.any():
        what = f"{int(unknown.sum())} of {len(pooled)} images have no patient"
        rows.append(
            finding(
                "missing_patients",
                "notice",
                what,
                unknown.sum(),
                list(pooled.loc[unknown, "path"][:6]),
            )
        )
    return rows


PLACEHOLDERS = re.compile(
    r"nan|none|null|nil|n[./]?a\.?|unk|unknown|undefined|unspecified|unidentified|not[ _-]?(available|"
    r"known|given|specified)|missing|empty|blank|anon|anonym|anonymous|anonymi[sz]ed|de-?identified|"
    r"removed|redacted|patient|subject|dummy|default|tbd|x+|[-?.*#_]+|-[19]|-99+|<.*>|\(.*\)",
    re.IGNORECASE,
)
"""Names that exports and anonymisers write where there is no patient to name."""


def _placeholder_patients(pooled: pd.DataFrame) -> list[dict]:
    """Names that stand for no patient; a zero only where it does not look like the first number of
    a count from zero.
    """
    known = pooled.dropna(subset="patient_id")
    names = known["patient_id"].astype(str)
    names = pd.Series(
        [
            name.removeprefix(f"{dataset}:").strip()
            for dataset, name in zip(known["dataset"], names, strict=True)
        ],
        index=known.index,
    )
    rows = []
    for dataset, own in names.groupby(known["dataset"]):
        odd = own.str.fullmatch(PLACEHOLDERS) | own.eq("")
        zero = own.str.fullmatch("0+(?:[.]0*)?")
        most = own[~odd & ~zero].value_counts().max()
        counted = own.str.fullmatch("0*1(?:[.]0*)?").any() and not zero.sum() > most
        found = own[odd | (zero & (not counted))].value_counts()
        if len(found):
            what = (
                f"{found.sum()} images of the dataset '{dataset}' have a patient whose name says "
                "that none is known"
            )
            examples = [f"{name!r}: {count} images" for name, count in found.items()]
            rows.append(finding("placeholder_patients", "warning", what, found.sum(), examples))
    return rows


def plain_label(label: str) -> str:
    """A label without case and spacing: ``XR/chest/No_Finding`` and ``XR/Chest/no finding`` are
    alike.
    """
    return re.sub(r"[\s_-]+", " ", label.casefold()).replace(" /", "/").replace("/ ", "/").strip()


def _alike_labels(pooled: pd.DataFrame, experiment: str) -> list[dict]:
    names = pd.Series(sorted({label for labels in pooled["labels"] for label in labels}), dtype=str)
    rows = []
    for _, alike in names.groupby(names.map(plain_label)):
        if len(alike) > 1:
            what = (
                f"experiment '{experiment}' has the labels {' and '.join(map(repr, alike))}, which "
                "differ in case or "
                "spacing alone and would count as two classes"
            )
            rows.append(finding("labels_alike", "serious", what, len(alike)))
    return rows


def _classes(pooled: pd.DataFrame, index_split: str, query_splits: Sequence[str]) -> list[dict]:
    found = {
        split: set(pooled.loc[pooled["split"] == split, "label"].dropna())
        for split in (index_split, *query_splits)
    }
    rows = []
    labels = pooled["labels"].explode().dropna().unique()
    if len(labels) == 1:
        what = (
            f"all images have one label, '{labels[0]}': every neighbor is right, every figure is 1"
        )
        rows.append(finding("single_class", "warning", what, 1))
    for split in query_splits:
        lone = sorted(found[split] - found[index_split])
        shared = found[split] & found[index_split]
        if not found[split]:  # no query has exactly one label: each of several counts
            of_query, of_index = (
                set(pooled.loc[pooled["split"] == each, "labels"].explode().dropna())
                for each in (split, index_split)
            )
            shared = of_query & of_index
        if (pooled["split"] == split).any() and not shared:
            what = (
                f"no query of the split '{split}' can be answered: no index image (split "
                f"'{index_split}') has the label of a query, so that there are no figures"
            )
            rows.append(finding("no_answerable_query", "warning", what, len(lone), lone))
        elif lone:
            queries = int(((pooled["split"] == split) & pooled["label"].isin(lone)).sum())
            what = f"{len(lone)} classes of the split '{split}' have no index image; their {queries} queries are in no average"
            rows.append(finding("unanswerable_classes", "warning", what, len(lone), lone))
    unasked = sorted(found[index_split] - set().union(*(found[split] for split in query_splits)))
    if unasked:
        what = f"{len(unasked)} classes of the index split '{index_split}' have no query"
        rows.append(finding("unasked_classes", "notice", what, len(unasked), unasked))
    return rows


def _duplicates(
    readable: pd.DataFrame, index_split: str, query_splits: Sequence[str]
) -> list[dict]:
    rows = []
    copies = readable[readable["digest"].duplicated(keep=False)]
    for one, other, searched in _pairs_of_splits(index_split, query_splits):
        first = copies[copies["split"] == one].drop_duplicates("digest").set_index("digest")["path"]
        second = copies[(copies["split"] == other) & copies["digest"].isin(first.index)]
        if len(second):
            what = f"{len(second)} images of the split '{other}' have the same pixels as an image of the split '{one}'"
            shown: Iterable[Any] = second.head(SHOWN + 1).itertuples()
            examples = [f"{row.path} = {first[row.digest]}" for row in shown]
            severity = "serious" if searched else "notice"
            rows.append(finding("exact_duplicates", severity, what, len(second), examples))
    for split, inside in copies.groupby("split"):
        again = inside[inside["digest"].duplicated()]
        if len(again):
            what = f"{len(again)} images of the split '{split}' repeat another of the same split"
            rows.append(
                finding(
                    "exact_duplicates", "notice", what, len(again), list(again["path"][: SHOWN + 1])
                )
            )
    copies = copies.assign(label=copies["labels"].map(" and ".join))
    labels = copies.groupby("digest")["label"].nunique()
    torn = copies[copies["digest"].isin(labels[labels > 1].index)].sort_values(["digest", "path"])
    if len(torn):
        what = (
            f"{torn['digest'].nunique()} groups of images have the same pixels and different labels"
        )
        examples = [f"{row.path} ({row.label})" for row in torn.head(SHOWN + 1).itertuples()]
        rows.append(
            finding("conflicting_labels", "warning", what, torn["digest"].nunique(), examples)
        )
    return rows


def _near(
    readable: pd.DataFrame, index_split: str, query_splits: Sequence[str], distance: int
) -> pd.DataFrame:
    """Every pair of an index and a query image within the distance, in both directions."""
    index, queries = (
        readable[mask]
        for mask in (readable["split"] == index_split, readable["split"].isin(query_splits))
    )
    left, right, apart = near_pairs(
        queries["hash"].to_numpy(np.uint64), index["hash"].to_numpy(np.uint64), distance
    )
    asked, found = queries["id"].to_numpy()[left], index["id"].to_numpy()[right]
    table = pd.DataFrame(
        {
            "image": np.concatenate([asked, found]).astype(np.int64),
            "other": np.concatenate([found, asked]).astype(np.int64),
            "distance": np.concatenate([apart, apart]).astype(np.int64),
        }
    )
    return table.sort_values(NEAR_COLUMNS, ignore_index=True)


def _near_findings(
    looked: pd.DataFrame,
    near: pd.DataFrame,
    index_split: str,
    query_splits: Sequence[str],
    distance: int,
) -> list[dict]:
    rows = []
    known = looked.set_index("id")[["path", "split", "digest"]]
    one, other = known.loc[near["image"]], known.loc[near["other"]]
    different = one["digest"].to_numpy() != other["digest"].to_numpy()
    pairs = pd.DataFrame(
        {
            "split": one["split"].to_numpy(),
            "path": one["path"].to_numpy(),
            "other": other["path"].to_numpy(),
        }
    ).assign(distance=near["distance"], image=near["image"])[different]
    for split in query_splits:
        here = (
            pairs[pairs["split"] == split]
            .sort_values(["distance", "path", "other"])
            .drop_duplicates("image")
        )
        if len(here):
            what = (
                f"{len(here)} images of the split '{split}' look almost like an image of the split "
                f"'{index_split}' "
                f"(perceptual hashes within {distance} of 64 bits)"
            )
            examples = [
                f"{row.path} ~ {row.other} ({row.distance})"
                for row in here.head(SHOWN + 1).itertuples()
            ]
            rows.append(finding("near_duplicates", "warning", what, len(here), examples))
    return rows
