"""All adapted and reranked models side by side."""

import pandas as pd

from radcbir.analyses.gains.figure import gains_figure
from radcbir.analyses.gains.page import gains_sections
from radcbir.analyses.summary import Given, Summary
from radcbir.cards.model_card import is_adapted
from radcbir.core.tables import read_csv

TIMING_COLUMNS = ["model", "query_split", "images", "dimension", "fit_seconds", "queries",
    "preparation_seconds", "milliseconds_per_query"]  # fmt: skip


def summarise(given: Given) -> Summary:
    """The figure of all query splits, the tables, and what it takes."""
    gains, left_out = given.tables["gains"], given.tables["left_out"]
    timings = timing_table(given)
    sections = gains_sections(gains, left_out, timings, given.settings["bases"], given.shown)
    return Summary(
        tables={"gain_timings": timings},
        figures={"gains": gains_figure(gains, left_out, given.names, given.controls)},
        page={"title": f"Gains on {given.experiment}", "sections": sections},
    )


def timing_table(given: Given) -> pd.DataFrame:
    """What the fits of adapted models took, and the queries of reranked ones by query split."""
    adapted = [model for model, card in given.cards.items() if is_adapted(card)]
    pairs = [
        (model, split)
        for model in given.cards
        for split in given.settings["query_splits"]
        if model not in adapted
    ]
    fits = [
        read_csv(path).assign(model=model)
        for model, path in zip(adapted, given.files["fits"], strict=True)
    ]
    searches = [
        read_csv(path).assign(model=model, query_split=split)
        for (model, split), path in zip(pairs, given.files["searches"], strict=True)
    ]
    table = pd.concat([*fits, *searches], ignore_index=True)
    return table.rename(columns={"seconds": "fit_seconds"}).reindex(columns=TIMING_COLUMNS)
