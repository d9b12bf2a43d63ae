"""The project's results -> a page that answers queries, until it is ended."""

from radcbir.app.server import serve
from radcbir.core.logs import script_log
from radcbir.project.configuration import Project

with script_log(snakemake.log[0], "app"):
    serve(Project(snakemake.config, snakemake.params.card_folders))
