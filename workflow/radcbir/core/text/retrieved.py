"""What an experiment retrieves, in words: the values of ``unit:``."""

NOUNS = {
    "image": ("image", "images"),
    "series": ("series", "series"),
    "study": ("study", "studies"),
    "patient": ("patient", "patients"),
}
"""Unit -> one of them, several of them."""


def one(unit: str) -> str:
    """What one of them is called."""
    return NOUNS[unit][0]


def several(unit: str) -> str:
    """What several of them are called."""
    return NOUNS[unit][1]
