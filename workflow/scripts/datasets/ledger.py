"""Rejected rows and images of a dataset -> its ledger, the coverage per model, and a page."""

import pandas as pd

from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.datasets.ledger import build_ledger
from radcbir.embedding import store
from radcbir.report.render import render

SHOWN = 500

with script_log(snakemake.log[0], f"ledger {snakemake.wildcards.dataset}"):
    models = [store.read_attributes(path)["model"] for path in snakemake.input.embeddings]
    rejected = [
        pd.DataFrame(store.read_rejected(path), columns=["id", "path", "reason"])
        for path in snakemake.input.embeddings
    ]
    ledger, coverage = build_ledger(
        pd.read_parquet(snakemake.input.catalog, columns=["id"]),
        pd.read_csv(snakemake.input.rejected, keep_default_na=False, dtype=str),
        dict(zip(models, map(store.read_ids, snakemake.input.embeddings), strict=True)),
        dict(zip(models, rejected, strict=True)),
    )
    write_csv(ledger, snakemake.output.ledger)
    write_csv(coverage, snakemake.output.coverage)
    render(
        "report/templates/ledger.html.j2",
        snakemake.output.page,
        title=f"Ledger of the dataset {snakemake.wildcards.dataset}",
        coverage=coverage.to_dict("records"),
        rows=ledger.head(SHOWN).to_dict("records"),
        names=snakemake.params.names,
        more=max(0, len(ledger) - SHOWN),
    )
