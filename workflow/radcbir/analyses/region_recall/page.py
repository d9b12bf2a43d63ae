"""The tables of the page on region recall."""

from collections.abc import Mapping, Sequence

import pandas as pd

from radcbir.report.sections import Column, by_split, count, figure, section, text

WORDS = {"fine": ("label", "labels"), "coarse": ("region", "regions (MODALITY/region)")}
"""One and several of each level."""


def region_recall_sections(
    means: pd.DataFrame, labels: pd.DataFrame, cards: Mapping[str, Mapping]
) -> list[dict]:
    """Per query split the means over labels and over regions, then each label and each region."""
    sections = []
    for split, part in by_split(means):
        for level, (one, several) in WORDS.items():
            rows = part[part["level"] == level]
            title = f"Mean over {several} (queries: {split})"
            reading = (
                f"Of the queries that show a {one}, the share of whose first result shows it, too "
                "(R@3 and more: one of the first results), averaged over all of them. "
                f"{'R@1 is the one number of a model. ' if level == 'fine' else ''}"
                "Results of the query's own patient are left out. Chance is that of what is drawn at "
                "random from the index, of other patients: recall near it says little."
            )
            sections.append(section(title, reading, *_wide(rows, MEAN_COUNTS), cards))
        of_split = labels[labels["query_split"] == split]
        for level, (one, _) in WORDS.items():
            rows = of_split[of_split["level"] == level]
            title = f"By {one} (queries: {split})"
            reading = (
                f"Which {one} is found, and which is not. A {one} that most index images show is found "
                "by chance: look at the difference to chance."
            )
            named = [("label", one, "that the query shows", str)]
            sections.append(section(title, reading, *_wide(rows, LABEL_COUNTS, named), cards))
    return sections


MEAN_COUNTS = [
    ("labels", "labels", "in the mean", count),
    ("labels_without_answer", "without", "that no index image of another patient shows", count),
    ("queries", "queries", "that show one of these labels", count),
]

LABEL_COUNTS = [
    ("queries", "queries", "that show it", count),
    ("queries_without_answer", "without", "queries for which no other patient shows it", count),
    ("index_images", "index", "images of the index that show it", count),
]

LAST = [
    ("effective_patients", "effective", "effective number of patients", figure),
    ("caution", "remark", "what so few patients do not allow", text),
]


def _wide(
    rows: pd.DataFrame, counts: Sequence[Column], named: Sequence[Column] = ()
) -> tuple[pd.DataFrame, list[Column]]:
    """A row per model and label, with columns for each k, and what the columns are."""
    keys = ["model", *(name for name, *_ in named)]
    wide = rows[rows["k"] == 1]
    columns: list[Column] = [
        *named,
        ("value", "R@1", "share of queries whose first result shows it", figure),
        ("low", "from", "where its 95 % interval by patient begins", figure),
        ("high", "to", "where the interval ends", figure),
        ("chance", "chance", "the share for one drawn at random from the index", figure),
    ]
    for k in sorted(set(rows["k"]) - {1}):
        renamed = {"value": f"value_{k}", "chance": f"chance_{k}"}
        further = rows[rows["k"] == k][[*keys, *renamed]].rename(columns=renamed)
        wide = wide.merge(further, on=keys, how="left", validate="one_to_one")
        columns += [
            (f"value_{k}", f"R@{k}", f"one of the first {k} results shows it", figure),
            (f"chance_{k}", "chance", f"the same for {k} drawn at random from the index", figure),
        ]
    return wide, [*columns, *counts, *LAST]
