"""Images from vectors: a ridge regression that is fitted on other patients."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupShuffleSplit
from threadpoolctl import threadpool_limits

from radcbir.analyses.privacy.similarity import structural_similarity
from radcbir.metrics.intervals import average, difference_interval, of_mean, verdict
from radcbir.metrics.selection import FEWEST_PATIENTS

PENALTIES = 10.0 ** np.arange(-2, 8)
"""The penalties that are tried, for vectors whose numbers have a mean square of 1."""

FIXED_PENALTY = 100.0
"""Where patients are too few to choose one."""

FEWEST_IMAGES = 20
"""Below so many training images there is no decoder."""

COLUMNS = [
    "ssim",
    "low",
    "high",
    "random_image",
    "mean_image",
    "gain",
    "gain_low",
    "gain_high",
    "effective_patients",
    "verdict",
    "queries",
    "patients",
    "training_images",
    "training_patients",
    "penalty",
    "chosen",
    "remark",
]


@dataclass(frozen=True)
class Images:
    """Images with unit vectors ``(n, d)``, gray values ``(n, h, w)`` uint8, and patients ``(n,)`` as
    codes; an image whose patient is not known has a code of its own.
    """

    vectors: np.ndarray
    pixels: np.ndarray
    patients: np.ndarray

    def __len__(self) -> int:
        return len(self.patients)


@dataclass(frozen=True)
class Decoded:
    """What a decoder gives for queries."""

    pixels: np.ndarray
    """``(q, h, w)`` uint8."""
    penalty: float
    chosen: bool
    """Whether the penalty was chosen, on training patients that were left out of the fit."""


def decoded(training: Images, vectors: np.ndarray) -> Decoded:
    """Images from the unit ``vectors`` ``(q, d)`` of queries, by a ridge regression from vectors to
    gray values.

    The penalty is chosen on a fifth of the training patients, where there are enough of them.
    """
    scale = np.sqrt(vectors.shape[1])
    known = training.vectors.astype(np.float64) * scale
    values = training.pixels.reshape(len(training), -1).astype(np.float64)
    enough = len(np.unique(training.patients)) >= FEWEST_PATIENTS
    with threadpool_limits(1):
        model = Ridge(FIXED_PENALTY)
        if enough:
            one_fold = GroupShuffleSplit(1, test_size=0.2, random_state=0)
            search = GridSearchCV(
                Ridge(), {"alpha": PENALTIES}, cv=one_fold, scoring="neg_mean_squared_error"
            )
            model = search.fit(known, values, groups=training.patients).best_estimator_
        else:
            model.fit(known, values)
        found = model.predict(vectors.astype(np.float64) * scale)
    pixels = found.round().clip(0, 255).astype(np.uint8).reshape(-1, *training.pixels.shape[1:])
    return Decoded(pixels, float(model.alpha), enough)


def reconstruction(training: Images, asked: Images) -> tuple[dict, pd.DataFrame]:
    """The cells of :data:`COLUMNS` of one query split, and two examples.

    ``ssim`` is the mean similarity of decoded images and their originals; ``random_image`` that of
    another image, drawn from the training images, and ``mean_image`` that of the mean of these;
    ``gain`` is ``ssim`` less ``mean_image``. Intervals are by patient. Where nothing can be said,
    ``remark`` is a sentence, and there are no examples.

    Examples are the queries with the median and with the best similarity: kind (``median``,
    ``best``), place (in ``asked``), ssim, original, decoded (bytes of gray values, row by row).
    """
    counts = {
        "queries": len(asked),
        "patients": len(np.unique(asked.patients)),
        "training_images": len(training),
        "training_patients": len(np.unique(training.patients)),
        "remark": why_nothing(training, asked),
        "verdict": "",
    }
    examples = pd.DataFrame(columns=["kind", "place", "ssim", "original", "decoded"])
    if counts["remark"]:
        return dict.fromkeys(COLUMNS, np.nan) | {"chosen": False} | counts, examples
    made = decoded(training, asked.vectors)
    ssim = structural_similarity(made.pixels, asked.pixels)
    drawn = np.random.default_rng(0).integers(0, len(training), len(asked))
    by_chance = structural_similarity(training.pixels[drawn], asked.pixels)
    mean = np.broadcast_to(training.pixels.mean(axis=0), asked.pixels.shape)
    plain = structural_similarity(mean, asked.pixels)
    clusters = np.unique(asked.patients, return_inverse=True)[1]
    whole = of_mean(ssim, clusters)
    gain = average((ssim - plain)[:, None], clusters)
    (gain_low,), (gain_high,) = difference_interval(gain.value, gain.moves, gain.effective)
    order = np.argsort(ssim, kind="stable")
    places = {"median": order[(len(order) - 1) // 2], "best": order[-1]}
    rows = [
        (kind, place, ssim[place], asked.pixels[place].tobytes(), made.pixels[place].tobytes())
        for kind, place in places.items()
    ]
    cells = {
        "ssim": whole.value,
        "low": whole.low,
        "high": whole.high,
        "random_image": float(by_chance.mean()),
        "mean_image": float(plain.mean()),
        "gain": float(gain.value[0]),
        "gain_low": float(gain_low),
        "gain_high": float(gain_high),
        "effective_patients": whole.effective,
        "penalty": made.penalty,
        "chosen": made.chosen,
    }
    sides = "less than the mean image", "more than the mean image"
    counts["verdict"] = verdict(float(gain_low), float(gain_high), whole.effective, *sides)
    return cells | counts, pd.DataFrame(rows, columns=examples.columns)


def why_nothing(training: Images, asked: Images) -> str:
    """Why nothing can be decoded, as a sentence; empty where something can."""
    if not len(asked):
        return "No query has a vector and an image that can be read."
    if not len(training):
        return "No index image is of a patient without queries, so that nothing can be fitted."
    if len(training) < FEWEST_IMAGES:
        return (
            f"There are {len(training)} index images of other patients. A decoder needs at least "
            f"{FEWEST_IMAGES}."
        )
    if not np.ptp(training.pixels):
        return "All index images of other patients are of one gray value."
    return ""
