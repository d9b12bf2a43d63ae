"""The tables of the page on privacy."""

from collections.abc import Mapping

import pandas as pd

from radcbir.report.sections import by_split, count, difference, figure, section, text

READING = (
    "A decoder (ridge regression), fitted on other patients, makes a gray image of 32 x 32 pixels from a "
    "vector. Compare it with the mean image, which every decoder reaches that knows nothing of the "
    "query. Where the gain is more than chance, vectors tell what the image looks like: treat them as "
    "you treat images. No gain does not prove that nothing can be decoded: a larger decoder may do more."
)


def _short(value: float) -> str:
    return "" if pd.isna(value) else f"{value:g}"


DECODED = [
    ("ssim", "decoded", "structural similarity to the original: 1 is the same image", figure),
    ("low", "from", "where its 95 % interval by patient begins", figure),
    ("high", "to", "where the interval ends", figure),
    ("mean_image", "mean image", "similarity of the mean of the training images", figure),
    ("random_image", "another image", "similarity of a training image drawn at random", figure),
    ("gain", "gain", "decoded less mean image", difference),
    ("gain_low", "from", "where its 95 % interval by patient begins", difference),
    ("gain_high", "to", "where the interval ends", difference),
    ("verdict", "verdict", "whether the gain is more than chance", text),
    ("queries", "queries", "that were decoded", count),
    ("patients", "patients", "of these queries", count),
    ("training_images", "trained on", "index images of patients without queries", count),
    ("penalty", "penalty", "of the regression", _short),
    ("remark", "remark", "why there is nothing, or what to keep in mind", text),
]

FOUND = [
    ("recall_at_1", "R@1", "share of images whose nearest one elsewhere is of the patient", figure),
    ("low", "from", "where its 95 % interval by patient begins", figure),
    ("high", "to", "where the interval ends", figure),
    ("chance", "chance", "what a random image gives", figure),
    ("unit", "elsewhere", "in another study, or any other image", text),
    ("queries", "queries", "images of patients who have an image elsewhere", count),
    ("patients", "patients", "of these images", count),
    ("images", "searched", "images of index and queries", count),
    ("remark", "remark", "why there is nothing, or what to keep in mind", text),
]


def privacy_sections(
    decoded: pd.DataFrame, found: pd.DataFrame, cards: Mapping[str, Mapping]
) -> list[dict]:
    """A section per query split on decoded images, and one on patients."""
    sections = [
        section(f"Images from vectors (queries: {split})", READING, rows, DECODED, cards)
        for split, rows in by_split(decoded)
    ]
    reading = (
        "Who has a vector and one image with a name can look for the name. R@1 says how often the "
        "nearest image of another study of a patient is of the same patient, among all images of index "
        "and queries. Far above chance, vectors without names are still data of persons. In a larger "
        "archive both are lower."
    )
    return [*sections, section("Patients from vectors", reading, found, FOUND, cards)]
