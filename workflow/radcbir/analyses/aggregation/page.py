"""The tables of the page on ways to compare units."""

from collections.abc import Mapping

import pandas as pd

from radcbir.analyses.aggregation.compute import METRICS
from radcbir.analyses.aggregation.scores import NEAR, WAYS
from radcbir.report.sections import by_split, count, difference, figure, section, text


def aggregation_sections(
    table: pd.DataFrame, counts: pd.DataFrame, cards: Mapping[str, Mapping]
) -> list[dict]:
    """A section per query split, and one on the units."""
    sections = []
    for split, part in by_split(table[table["average"] == "micro"]):
        wide = part.pivot_table(
            index=["model", "way"], columns="metric", values="value", dropna=False
        )
        first = part[part["metric"] == METRICS[0]].drop(columns=["metric", "value"])
        rows = first.merge(wide.reset_index(), on=["model", "way"])
        rows["name"] = rows["way"].map(WAYS)
        sections.append(
            section(f"Ways to compare (queries: {split})", READING, rows, COLUMNS, cards)
        )
    return [*sections, section("Units", UNITS_READING, counts, UNIT_COLUMNS, cards)]


READING = (
    "Mean and median: one vector per unit. Near slices: each slice of the query finds its "
    f"{NEAR} nearest slices in the index; their number, the highest cosine and the sum of cosines "
    "rank the units. Late interaction: the mean over the query's slices of the highest cosine with "
    "a slice of the unit. The last row adds 1 / (60 + rank) of the mean vector and of late "
    "interaction. All are exact. A difference to the mean vector is more than chance where its "
    "interval, of this pair alone, leaves 0 out."
)

COLUMNS = [
    ("name", "way", "", text),
    ("precision_at_1", "P@1", "capped, without units of the query's own patient", figure),
    ("low", "from", "where its 95 % interval by patient begins", figure),
    ("high", "to", "where the interval ends", figure),
    ("difference", "difference", "of P@1 to the mean vector", difference),
    ("difference_low", "from", "where its 95 % interval by patient begins", difference),
    ("difference_high", "to", "where the interval ends", difference),
    ("precision_at_5", "P@5", "", figure),
    ("precision_at_10", "P@10", "", figure),
    ("mean_average_precision", "mAP", "mean average precision at k", figure),
    ("queries", "queries", "in the averages", count),
    ("effective_patients", "effective", "effective number of patients", figure),
    ("caution", "remark", "what so few patients do not allow", text),
]

UNITS_READING = (
    "How many units there are, and how many images each has. Where the images of a unit differ in "
    "the label, it has that of most of them. These units, and images that belong to none, are listed "
    "in units/ledger.csv."
)

UNIT_COLUMNS = [
    ("dataset", "dataset", "", text),
    ("split", "split", "", text),
    ("units", "units", "", count),
    ("images", "images", "of these units", count),
    ("smallest", "fewest", "images of a unit", count),
    ("median", "median", "images of a unit", figure),
    ("largest", "most", "images of a unit", count),
    ("mixed_labels", "mixed labels", "units whose images differ in the label", count),
    ("images_left_out", "left out", "images of no unit that is used", count),
]
