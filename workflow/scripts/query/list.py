"""What the user names as queries -> the list of query images."""

from radcbir.core.logs import logger, script_log
from radcbir.core.text.retrieved import several
from radcbir.query.cut import cut_queries
from radcbir.query.image_list import find_queries, write_queries
from radcbir.query.results import check_readable
from radcbir.query.units.group import check_units, in_units, members_of

with script_log(snakemake.log[0], f"query_list {snakemake.wildcards.query}"):
    unit, cut = snakemake.params.unit, snakemake.params.cut
    queries = find_queries(snakemake.params.images, unit)
    if unit == "image":
        queries = cut_queries(queries, cut)
    else:
        queries = in_units(queries, unit, cut)
        check_units(queries, unit)
        logger.info("%d %s", len(members_of(queries)[0]), several(unit))
    check_readable([each for each in queries if not each.left_out], snakemake.params.intensity)
    write_queries(snakemake.output[0], queries)
    logger.info("%d query images", len(queries))
