"""Embedding files and configuration -> what made the results."""

import yaml

from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.report import provenance
from radcbir.report.render import render

with script_log(snakemake.log[0], "provenance"):
    table = provenance.provenance_table(snakemake.input.embeddings)
    write_csv(table, snakemake.output.table)
    render(
        "report/templates/provenance.html.j2",
        snakemake.output.page,
        title="Provenance",
        embeddings=table.to_dict("records"),
        environment=provenance.environment(),
        configuration=yaml.safe_dump(snakemake.params.configuration, sort_keys=False),
    )
