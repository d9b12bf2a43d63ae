"""Made-up vectors of images with labels and patients, and their exact neighbor lists."""

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass
class Made:
    """A pooled catalog, the neighbor table of its queries, and the vectors by id."""

    catalog: pd.DataFrame
    neighbors: pd.DataFrame
    ids: np.ndarray
    rows: np.ndarray

    def vectors(self, ids):
        """The unit vectors of images."""
        return self.rows[np.searchsorted(self.ids, ids)]


def made(
    patients: int,
    per_patient: int = 5,
    classes: int = 6,
    images: int = 120,
    k: int = 20,
    noise: float = 0.6,
    seed: int = 0,
) -> Made:
    """Queries of ``patients`` with ``per_patient`` images each, labels in turn, against an index of as
    many ``images`` of other patients. An image is its label's direction plus its patient's and its
    own noise."""
    random = np.random.default_rng(seed)
    count = patients * per_patient
    label = np.concatenate([np.arange(count), np.arange(images)]) % classes
    patient = np.concatenate(
        [np.repeat(np.arange(patients), per_patient), patients + np.arange(images) // 4]
    )
    centers = random.normal(size=(classes, 16))
    of_patients = random.normal(size=(patient.max() + 1, 16))
    rows = centers[label] + noise * of_patients[patient]
    rows += random.normal(size=rows.shape) * noise * random.uniform(0.5, 2.5, (len(rows), 1))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    ids = np.arange(len(rows)) + 1000
    names = np.array([f"XR/chest/{each}" for each in range(classes)], dtype=object)[label]
    catalog = pd.DataFrame(
        {
            "id": ids,
            "split": np.where(np.arange(len(rows)) < count, "test", "train"),
            "label": names,
            "labels": [[each] for each in names],
            "modality": "XR",
            "region": "chest",
            "patient_id": [f"p{each}" for each in patient],
        }
    )
    scores = (rows[:count].astype(np.float64) @ rows[count:].T.astype(np.float64)).astype("f4")
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    neighbors = pd.DataFrame(
        {
            "query": np.repeat(ids[:count], order.shape[1]),
            "rank": np.tile(np.arange(1, order.shape[1] + 1), count),
            "neighbor": ids[count:][order].ravel(),
            "score": np.take_along_axis(scores, order, axis=1).ravel(),
        }
    )
    return Made(catalog, neighbors, ids, rows)
