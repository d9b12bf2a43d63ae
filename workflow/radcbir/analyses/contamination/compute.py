"""Contamination marks: has a model seen a dataset while it was trained?

Imported whenever Snakemake reads the Snakefile, so nothing heavy is imported here.
"""

import re
from collections.abc import Mapping, Sequence

from radcbir.cards.model_card import is_control

MARKS = {"seen": "●", "sibling": "◐", "not seen": "○", "unknown": "?"}
"""The statuses, worst first, and the mark that stands beside a model's results."""

SIBLINGS = (
    (
        "NIH14",
        "ChestX-ray14",
        "ChestX-ray8",
        "NIH ChestX-ray14",
        "NIH-CXR",
        "RSNA Pneumonia",
        "SIIM",
        "SIIM-ACR Pneumothorax",
        "ChestX-Det10",
        "ChestMNIST",
    ),
    ("CheXpert", "CheXpert Plus", "CheXphoto", "CheXlocalize"),
    ("MIMIC", "MIMIC-CXR", "MIMIC-CXR-JPG", "MS-CXR", "Chest ImaGenome"),
    ("PadChest", "PadChest-GR"),
    ("LiTS", "OrganAMNIST", "OrganCMNIST", "OrganSMNIST"),
    ("LIDC-IDRI", "LUNA16", "NoduleMNIST3D"),
    ("MNI templates", "ICBM152", "Colin27"),
)
"""Names of one collection of images, and of collections that were made from it or with it."""

SAME = (
    ("NIH14", "ChestX-ray14", "NIH ChestX-ray14", "NIH-CXR"),
    ("MIMIC", "MIMIC-CXR", "MIMIC-CXR-JPG"),
)
"""Names of the very same images."""

CLOSED = (
    "ImageNet",
    "ImageNet-1k",
    "ImageNet-21k",
    "ImageNet-22k",
    "COCO",
    "SA-1B",
    "RadImageNet",
    "BRAX",
    "OpenI",
    "VinDr-CXR",
)
"""Collections beside :data:`SIBLINGS` of which it is known what they hold. Whatever else a card
lists (pictures from the web, figures of papers, data behind closed doors, a description in words)
may hold any dataset.
"""


def contamination(card: Mapping, dataset: str, known_as: Sequence[str]) -> str:
    """``seen``, ``sibling``, ``not seen`` or ``unknown`` for a model card, a dataset's name and the
    names it is known by.

    *Seen*: the card's training data lists the dataset. *Sibling*: it lists a collection that was
    made from the same images or with them. *Not seen*: all that it lists are collections of which
    it is known what they hold, others than this; a model without learned weights has seen nothing.
    *Unknown*: the card or the dataset does not say, or the card lists a collection that nobody can
    look through.
    """
    if is_control(card):
        return "not seen"
    trained = card.get("training_data", [])
    names, listed = (
        {_plain(name) for name in (dataset, *known_as)},
        {_plain(name) for name in trained},
    )
    same = names.union(*(family for family in _plain_all(SAME) if family & names))
    if same & listed:
        return "seen"
    if any(family & same and family & listed for family in _plain_all(SIBLINGS)):
        return "sibling"
    closed = {_plain(name) for name in CLOSED}.union(*_plain_all(SIBLINGS))
    return "not seen" if trained and known_as and listed <= closed else "unknown"


def statuses(
    cards: Mapping[str, Mapping], known_as: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, str]]:
    """Per model and dataset of an experiment, its status; ``known_as`` maps a dataset to the names
    it is known by.
    """
    return {
        model: {dataset: contamination(card, dataset, names) for dataset, names in known_as.items()}
        for model, card in cards.items()
    }


def mark(of_datasets: Mapping[str, str]) -> dict[str, str]:
    """One mark for a model on an experiment, the worst of its datasets, with what it says: keys
    sign, text, status.
    """
    worst = min(of_datasets.values(), key=("seen", "sibling", "unknown", "not seen").index)
    text = "; ".join(f"{dataset}: {status}" for dataset, status in of_datasets.items())
    return {"sign": MARKS[worst], "text": text, "status": worst}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _plain_all(families: Sequence[Sequence[str]]) -> list[set[str]]:
    return [{_plain(name) for name in family} for family in families]
