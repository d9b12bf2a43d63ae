"""Contamination marks: has a model seen a dataset while it was trained?

Imported whenever Snakemake reads the Snakefile, so nothing heavy is imported here.
"""

import re
from collections.abc import Mapping, Sequence

from radcbir.cards import is_control

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
        "ChestMNIST",
        "VinDr-NIH",
    ),
    ("CheXpert", "CheXpert Plus", "CheXphoto", "CheXlocalize", "CheX-det10"),
    ("MIMIC", "MIMIC-CXR", "MIMIC-CXR-JPG", "MIMIC-III-CXR", "MS-CXR", "Chest ImaGenome", "MIMIC-IV"),
    ("PadChest", "PadChest-GR", "BIMCV"),
    ("RadImageNet",),
    ("DeepLesion", "OrganAMNIST", "OrganCMNIST", "OrganSMNIST", "LiTS"),
    ("LIDC-IDRI", "LUNA16", "NoduleMNIST3D"),
    ("ADNI", "OASIS"),
    ("MNI templates", "ICBM152", "Colin27"),
)
"""Names of one collection of images, and of collections that were made from it or with it."""

SAME = (
    ("NIH14", "ChestX-ray14", "NIH ChestX-ray14", "NIH-CXR"),
    ("MIMIC", "MIMIC-CXR", "MIMIC-CXR-JPG"),
)
"""Names of the very same images."""

OPEN = (
    "LAION",
    "LVD",
    "WIT",
    "WebImageText",
    "WebLI",
    "DataComp",
    "DFN",
    "MetaCLIP",
    "Common Crawl",
    "PMC",
    "PubMed",
    "ROCO",
    "BIOMEDICA",
    "OpenAI",
    "web",
    "proprietary",
    "private",
    "in-house",
)
"""Collections that were gathered from the web, from papers or behind closed doors: nobody can say what they hold."""


def contamination(card: Mapping, dataset: str, known_as: Sequence[str]) -> str:
    """``seen``, ``sibling``, ``not seen`` or ``unknown`` for a model card, a dataset's name and the names it is known by.

    *Seen*: the card's training data lists the dataset. *Sibling*: it lists a collection that was made from the same
    images or with them. *Not seen*: the card says what the weights were trained on, and it is something else; a
    model without learned weights has seen nothing. *Unknown*: the card or the dataset does not say, or the training data
    comes from a collection that nobody can look through (:data:`OPEN`).
    """
    if is_control(card):
        return "not seen"
    trained = card.get("training_data", [])
    names, listed = {_plain(name) for name in (dataset, *known_as)}, {_plain(name) for name in trained}
    same = names.union(*(family for family in _plain_all(SAME) if family & names))
    if same & listed:
        return "seen"
    if any(family & same and family & listed for family in _plain_all(SIBLINGS)):
        return "sibling"
    if not trained or not known_as or any(_is_open(name) for name in trained):
        return "unknown"
    return "not seen"


def statuses(cards: Mapping[str, Mapping], known_as: Mapping[str, Sequence[str]]) -> dict[str, dict[str, str]]:
    """Per model and dataset of an experiment, its status; ``known_as`` maps a dataset to the names it is known by."""
    return {
        model: {dataset: contamination(card, dataset, names) for dataset, names in known_as.items()}
        for model, card in cards.items()
    }


def mark(of_datasets: Mapping[str, str]) -> dict[str, str]:
    """One mark for a model on an experiment, the worst of its datasets, with what it says: keys sign, text, status."""
    worst = min(of_datasets.values(), key=("seen", "sibling", "unknown", "not seen").index)
    text = "; ".join(f"{dataset}: {status}" for dataset, status in of_datasets.items())
    return {"sign": MARKS[worst], "text": text, "status": worst}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _plain_all(families: Sequence[Sequence[str]]) -> list[set[str]]:
    return [{_plain(name) for name in family} for family in families]


def _is_open(name: str) -> bool:
    return any(re.match(rf"{re.escape(each)}\b|{re.escape(each)}[-\d]", name, re.IGNORECASE) for each in OPEN)
