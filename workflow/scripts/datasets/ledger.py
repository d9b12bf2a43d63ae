"""Rejected rows and images of a dataset -> its ledger, the coverage per model, and a page."""

import pandas as pd

from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.datasets.ledger import build_ledger
from radcbir.embedding import store
from radcbir.report.render import render
from radcbir.retrieval.units.volume_lists import by_image

SHOWN = 500

with script_log(snakemake.log[0], f"ledger {snakemake.wildcards.dataset}"):
    catalog = pd.read_parquet(snakemake.input.catalog, columns=["id", "path"])
    models = [store.read_attributes(path)["model"] for path in snakemake.input.embeddings]
    rejected = [
        pd.DataFrame(store.read_rejected(path), columns=["id", "path", "reason"])
        for path in snakemake.input.embeddings
    ]
    ids = map(store.read_ids, snakemake.input.embeddings)
    found = {model: each for model, *each in zip(models, ids, rejected, strict=True)}
    for model in found.keys() & set(snakemake.params.volumetric):
        found[model] = by_image(*found[model], catalog, snakemake.input.volumes)
    ledger, coverage = build_ledger(
        catalog,
        pd.read_csv(snakemake.input.rejected, keep_default_na=False, dtype=str),
        {model: ids for model, (ids, _) in found.items()},
        {model: lost for model, (_, lost) in found.items()},
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
