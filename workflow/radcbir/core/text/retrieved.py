"""What an experiment retrieves, in words: the values of ``unit:``."""

NOUNS = {
    "image": ("image", "images"),
    "series": ("series", "series"),
    "study": ("study", "studies"),
    "patient": ("patient", "patients"),
}
"""Unit -> one of them, several of them."""

KEYS = {
    "series": ("patient_id", "study_id", "series_id"),
    "study": ("patient_id", "study_id"),
    "patient": ("patient_id",),
}
"""Unit -> the columns that tell its images from those of other units; the last one has to be
known. Numbers such as 1, 2, 3 may come again in another study."""


def one(unit: str) -> str:
    """What one of them is called."""
    return NOUNS[unit][0]


def several(unit: str) -> str:
    """What several of them are called."""
    return NOUNS[unit][1]
