"""Query files that hold several images, cut as `prepare` cuts the files of a dataset."""

from collections.abc import Mapping, Sequence

from radcbir.images.address import join_address, split_address
from radcbir.images.slices import images_of
from radcbir.query.image_list import Query


def cut_queries(queries: Sequence[Query], options: Mapping) -> list[Query]:
    """A query per image that is taken of each file (:func:`radcbir.images.slices.images_of`)."""
    found: dict[str, Query] = {}
    for query in queries:
        for path in images_of(query.path.lstrip("/"), "/", options):
            selectors = split_address(path)[1]
            named = split_address(query.name)[0] if selectors else query.name
            image = query._replace(name=join_address(named, selectors), path=f"/{path}")
            found.setdefault(f"/{path}", image)
    return list(found.values())
