"""What the user names as queries -> the list of query images."""

from radcbir.core.logs import logger, script_log
from radcbir.query.cut import cut_queries
from radcbir.query.image_list import find_queries, write_queries
from radcbir.query.results import check_readable

with script_log(snakemake.log[0], f"query_list {snakemake.wildcards.query}"):
    queries = cut_queries(find_queries(snakemake.params.images), snakemake.params.cut)
    check_readable(queries, snakemake.params.intensity)
    write_queries(snakemake.output[0], queries)
    logger.info("%d query images", len(queries))
