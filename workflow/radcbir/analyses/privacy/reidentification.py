"""Is the nearest image of another study of the same patient?"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from radcbir.metrics.intervals import of_mean

QUERIES_PER_BLOCK = 256

COLUMNS = [
    "unit",
    "recall_at_1",
    "low",
    "high",
    "chance",
    "effective_patients",
    "queries",
    "patients",
    "images",
    "remark",
]

UNITS = {"study": "another study", "image": "another image"}


def reidentification(
    vectors: np.ndarray, patients: np.ndarray, studies: np.ndarray, most: int
) -> Mapping[str, Any]:
    """The cells of :data:`COLUMNS`: how often the nearest image of another study is of the patient.

    ``vectors`` ``(n, d)`` are unit vectors of all images, of index and queries; ``patients`` and
    ``studies`` ``(n,)`` are codes, -1 where unknown. An image asks where its patient has an image
    in another known study. It does not see other images of its patient that are in its own study or
    in none. Where no patient has two known studies, ``unit`` is ``image``: any other image of the
    patient counts. At most so many images ask, evenly spread. ``chance`` is what a random image
    gives.
    """
    count = len(vectors)
    # A study counts for one patient: numbers of studies may begin anew for each.
    studies = np.where(studies < 0, -1, patients * (studies.max(initial=0) + 1) + studies)
    eligible = (patients >= 0) & (studies >= 0)
    relevant = _elsewhere(patients, studies, eligible)
    unit = "study"
    if not relevant.any():
        unit, eligible, studies = "image", patients >= 0, np.arange(count)
        relevant = _elsewhere(patients, studies, eligible)
    asking = np.flatnonzero(relevant > 0)
    cells: dict[str, Any] = dict.fromkeys(COLUMNS, np.nan)
    cells |= {"unit": unit, "queries": 0, "patients": 0, "images": count}
    if not len(asking):
        known = (patients >= 0).any()
        why = "No patient has two images." if known else "No patient is known."
        return cells | {"remark": f"{why} Nobody can be found again."}
    asking = asking[np.unique(np.linspace(0, len(asking) - 1, min(len(asking), most)).astype(int))]
    found = np.empty(len(asking), dtype=bool)
    chance = np.empty(len(asking))
    for start in range(0, len(asking), QUERIES_PER_BLOCK):
        block = slice(start, start + QUERIES_PER_BLOCK)
        rows = asking[block]
        scores = vectors[rows] @ vectors.T
        same = patients[rows][:, None] == patients
        other = same & eligible & (studies[rows][:, None] != studies)
        scores[same & ~other] = -np.inf
        found[block] = other[np.arange(len(rows)), scores.argmax(axis=1)]
        chance[block] = other.sum(axis=1) / (~same | other).sum(axis=1)
    measured = of_mean(found, patients[asking])
    return cells | {
        "recall_at_1": measured.value,
        "low": measured.low,
        "high": measured.high,
        "chance": float(chance.mean()),
        "effective_patients": measured.effective,
        "queries": len(asking),
        "patients": len(np.unique(patients[asking])),
        "remark": _remark(unit, patients),
    }


def _elsewhere(patients: np.ndarray, studies: np.ndarray, eligible: np.ndarray) -> np.ndarray:
    """Per image ``(n,)`` how many eligible images of its patient are in another study; 0 for images
    that are not eligible.
    """
    found = np.zeros(len(patients), dtype=np.int64)
    if eligible.any():
        of, within = patients[eligible], studies[eligible]
        whose = np.unique(of, return_inverse=True, return_counts=True)[1:]
        same = np.unique(within, return_inverse=True, return_counts=True)[1:]
        found[eligible] = whose[1][whose[0]] - same[1][same[0]]
    return found


def _remark(unit: str, patients: np.ndarray) -> str:
    if len(np.unique(patients)) == 1:
        return "All images are of one patient, so that every image is of the same one."
    if unit == "study":
        return ""
    return (
        "No patient has two known studies (`study_id`): images of the same study count, which are "
        "found more easily."
    )
