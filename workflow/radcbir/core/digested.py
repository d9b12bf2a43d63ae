"""Long values of ``params:`` that Snakemake prints as a digest."""

from collections.abc import Mapping
from typing import Any

from radcbir.core.files import digest_of


class Digested(dict):
    """A dictionary that is written as its digest, so that what Snakemake prints, records, and shows
    in its report stays short.

    The digest follows from the content and from the order of the keys. A script receives a plain
    dictionary.
    """

    def __init__(self, values: Mapping[str, Any]):
        super().__init__(values)
        self.digest = digest_of([[key, value] for key, value in values.items()])

    def __repr__(self) -> str:
        return f"{len(self)} ({self.digest})"

    __str__ = __repr__

    def __reduce__(self) -> tuple:
        return dict, (dict(self),)
