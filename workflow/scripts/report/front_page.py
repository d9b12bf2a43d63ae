"""What is said of each experiment -> the front page, and the first words of the report."""

import json
from pathlib import Path

from radcbir.core.files import write_text
from radcbir.core.logs import script_log
from radcbir.front_page.words import report_words
from radcbir.report.render import render

with script_log(snakemake.log[0], "front_page"):
    shown = snakemake.params.shown
    fronts = [json.loads(Path(path).read_text(encoding="utf-8")) for path in snakemake.input]
    retrieved = [split["retrieved"][1] for front in fronts for split in front["splits"]]
    named = " and ".join(dict.fromkeys(retrieved)) or "images"
    render(
        "front_page/index.html.j2",
        snakemake.output.page,
        title=f"Which encoder finds the right {named}?",
        fronts=fronts,
        links=shown["links"],
        data_files=shown["data_files"],
    )
    write_text(snakemake.output.words, report_words(fronts, shown["introduction"]))
