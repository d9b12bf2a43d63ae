"""The counts after each step of a preparation -> a page."""

from radcbir.core.logs import script_log
from radcbir.core.tables import read_csv
from radcbir.datasets import preparation_steps, providers
from radcbir.report.render import render

with script_log(snakemake.log[0], f"preparation {snakemake.wildcards.dataset}"):
    options = dict(snakemake.params.options)
    render(
        "report/templates/preparation.html.j2",
        snakemake.output[0],
        title=f"Preparation of the dataset {snakemake.wildcards.dataset}",
        provider=providers.registry()[options.pop("from")],
        options=options,
        **preparation_steps.preparation_steps(read_csv(snakemake.input[0])),
    )
