"""What the vectors of one model tell of the images, and of whom they are."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from radcbir.analyses.privacy import decoder, reidentification
from radcbir.analyses.privacy.decoder import Images
from radcbir.metrics.intervals import patients_as_clusters
from radcbir.retrieval.joined import patient_codes, study_codes

Pixels = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Ids ``(n,)`` -> those with gray values, sorted, and these ``(m, h, w)`` uint8."""


def privacy(
    catalog: pd.DataFrame,
    ids: np.ndarray,
    vectors: np.ndarray,
    pixels: Pixels,
    index_split: str,
    query_splits: Sequence[str],
    images: int,
    queries: int,
) -> dict[str, pd.DataFrame]:
    """The tables of one model.

    ``catalog`` has a row per image: id, split, patient_id, study_id. ``ids`` ``(n,)``, sorted, have
    the unit ``vectors`` ``(n, d)``. At most ``images`` of the index, of patients who have no query,
    fit the decoder, and at most ``queries`` of each split are decoded. Tables:

    - ``privacy``: a row per query split, :data:`radcbir.analyses.privacy.decoder.COLUMNS`;
    - ``reidentified``: one row, :data:`radcbir.analyses.privacy.reidentification.COLUMNS`;
    - ``examples``: two rows per query split, in place of ``place`` the ``id``.
    """
    rows = catalog.set_index("id", drop=False).loc[ids]
    clusters, unit = patients_as_clusters(rows["patient_id"])
    split = rows["split"].to_numpy(object)
    asked = np.isin(split, list(query_splits))
    training = (split == index_split) & ~np.isin(clusters, clusters[asked])

    def some(mask: np.ndarray, most: int) -> tuple[np.ndarray, Images]:
        """Ids and images of a part: the smallest ids, a random draw since ids are digests."""
        found, gray = pixels(ids[mask])
        places = np.searchsorted(ids, found[:most])
        return found[:most], Images(vectors[places], gray[:most], clusters[places])

    _, known = some(training, images)
    tables, examples = [], []
    for name in query_splits:
        chosen, here = some(split == name, queries)
        cells, two = decoder.reconstruction(known, here)
        if not cells["remark"]:
            cells["remark"] = _remark(unit, bool(cells["chosen"]))
        tables.append({"query_split": name} | cells)
        two.insert(0, "query_split", name)
        two.insert(2, "id", chosen[two.pop("place").to_numpy(np.int64)])
        examples.append(two)
    found = reidentification.reidentification(
        vectors, patient_codes(rows), study_codes(rows), queries
    )
    return {
        "privacy": pd.DataFrame(tables, columns=["query_split", *decoder.COLUMNS]),
        "reidentified": pd.DataFrame([found], columns=reidentification.COLUMNS),
        "examples": pd.concat(examples, ignore_index=True),
    }


def _remark(unit: str, chosen: bool) -> str:
    """What to keep in mind."""
    found = []
    if unit != "patient":
        which = "No patient is known" if unit == "image" else "Not every patient is known"
        found.append(f"{which}: the decoder may have been fitted on images of the same patient.")
    if not chosen:
        found.append("Training patients are too few to choose the penalty.")
    return " ".join(found)
