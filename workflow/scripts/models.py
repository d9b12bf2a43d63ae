"""Model cards -> a table on the terminal."""

import _library  # noqa: F401
from radcbir.cards import WEIGHTS
from radcbir.logs import script_log
from radcbir.model_list import as_text, model_rows

with script_log(snakemake.log[0], "models"):
    print(as_text(model_rows(snakemake.params.cards, WEIGHTS)), flush=True)
