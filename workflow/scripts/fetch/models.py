"""Model cards -> a table on the terminal."""

from radcbir.cards.model_card import WEIGHTS
from radcbir.cards.model_list import as_text, model_rows
from radcbir.core.logs import script_log

with script_log(snakemake.log[0], "models"):
    print(as_text(model_rows(snakemake.params.cards, WEIGHTS)), flush=True)
