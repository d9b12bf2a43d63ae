"""The labels of an image in few words."""

from collections.abc import Sequence

MOST_NAMED = 3
"""Of so many labels all are named."""


def in_short(labels: Sequence[str]) -> str:
    """The labels with ``+`` between them; of many the first ones, and how many more there are.

    The live page has the same in ``static/words.js``.
    """
    if len(labels) <= MOST_NAMED:
        return " + ".join(labels)
    return f"{' + '.join(labels[:MOST_NAMED])} and {len(labels) - MOST_NAMED} more"
