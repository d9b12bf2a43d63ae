"""The files that are not there -> a page of the report that names them."""

import pandas as pd

from radcbir.core.logs import script_log
from radcbir.report.render import render
from radcbir.report.sections import section

with script_log(snakemake.log[0], "missing"):
    reading = (
        "Run the workflow again to make them; its log names the job that failed. A comparison "
        "needs all its models: remove a model that cannot run from `models:` of the configuration, "
        "and the others are compared without anything being embedded again."
    )
    table = pd.DataFrame(snakemake.params.missing, columns=["what", "file"])
    columns = [("what", "what", "", str), ("file", "file", "", str)]
    render(
        "report/templates/tables.html.j2",
        snakemake.output[0],
        title="What is missing",
        sections=[section(f"{len(table)} files", reading, table, columns, {})],
    )
