"""The models' metric tables -> one table per kind, figures, and the table of labels."""

import pandas as pd

from radcbir.analyses.comparison.common_queries import (
    compared,
    with_common_groups,
    with_common_queries,
    without_empty_metrics,
)
from radcbir.analyses.comparison.curve_intervals import curve_intervals
from radcbir.analyses.comparison.figure import precision_by_group, precision_curves
from radcbir.analyses.comparison.label_table import label_sections
from radcbir.analyses.order import best_first
from radcbir.analyses.summary import Summary, write
from radcbir.cards.model_card import names_and_controls
from radcbir.core.logs import script_log
from radcbir.core.tables import stacked

with script_log(snakemake.log[0], f"comparison {snakemake.wildcards.experiment}"):
    cards = snakemake.params.cards
    kinds = ("precision", "summary", "by_group")
    tables = {kind: stacked(snakemake.input[kind], list(cards)) for kind in kinds}
    per_query = dict(zip(cards, snakemake.input.per_query, strict=True))
    tables["summary"] = without_empty_metrics(with_common_queries(tables["summary"], per_query))
    order = best_first(cards, tables["summary"], snakemake.params.split)
    shown = names_and_controls(cards, order)
    columns = ["id", "modality", "region", "patient_id"]
    catalog = pd.read_parquet(snakemake.input.catalog, columns=columns)
    tables["by_group"] = with_common_groups(tables["by_group"], per_query, catalog)
    by_group = compared(tables["by_group"])
    intervals = curve_intervals(per_query, catalog.set_index("id")["patient_id"])
    figures = {
        "precision_at_k": precision_curves(tables["precision"], *shown, intervals),
        "precision_by_group": precision_by_group(by_group, *shown),
    }
    page = {
        "title": f"Labels of {snakemake.wildcards.experiment}",
        "models": list(shown[0].values()),
        "sections": label_sections(by_group, order),
    }
    summary = Summary(tables, figures, page)
    shown = [snakemake.output[kind] for kind in kinds]
    write(summary, "analyses/comparison/labels.html.j2", snakemake, "comparison", shown)
