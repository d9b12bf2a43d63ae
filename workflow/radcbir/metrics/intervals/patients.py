"""Patients as the unit: how many there are in effect, and what few of them do not allow."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

LEVEL = 0.95
"""Of every interval: two-sided, half of the rest at each side."""

ERROR_RATE = 0.05
"""Of every verdict, over all tests of its family together."""

FEWEST_FOR_INTERVAL = 3
FEWEST_FOR_VERDICT = 6
FEW = 40
"""Effective numbers of patients: below the first there is no interval, below the second no verdict
on which model is better, below the third a warning."""

NOTHING = 1e-12
"""Spreads below this are rounding."""


def patients_as_clusters(patients: pd.Series) -> tuple[np.ndarray, str]:
    """Codes ``(q,)`` from 0 of the queries' patients, and what they count: ``patient``, ``image``
    or both.

    A query without a known patient gets a code of its own.
    """
    known = patients.notna().to_numpy()
    codes = pd.factorize(patients)[0]
    codes[~known] = codes.max(initial=-1) + 1 + np.arange((~known).sum())
    if known.all():
        return codes, "patient"
    return codes, "patient, or image where unknown" if known.any() else "image"


def caution(effective: float) -> str:
    """What an effective number of patients does not allow: ``no interval``, ``no verdict``, ``few
    patients`` or nothing.
    """
    if not at_least(effective, FEWEST_FOR_INTERVAL):
        return "no interval"
    if not at_least(effective, FEWEST_FOR_VERDICT):
        return "no verdict"
    return "" if at_least(effective, FEW) else "few patients"


def verdict(
    low: float, high: float, effective: float, below: str, above: str, at: float = 0.0
) -> str:
    """``below`` or ``above`` where the whole interval is on that side of ``at``; else ``undecided``,
    or ``too few patients`` for any verdict.
    """
    if caution(effective) in ("no interval", "no verdict"):
        return "too few patients"
    if low > at:
        return above
    return below if high < at else "undecided"


def reading(clusters: int, unit: str, effective: Mapping[str, float]) -> str:
    """What intervals follow from and what must not be concluded, in words.

    ``clusters`` is how many patients there are, ``unit`` what they are
    (:func:`patients_as_clusters`), ``effective`` what an average runs over -> the effective number.
    """
    units = {"patient": "patients", "image": "images (no patient is known)"}.get(
        unit, "patients, or images without one"
    )
    numbers = {f"{number:.1f}" for number in effective.values()}
    equal = numbers == {f"{clusters:.1f}"}
    counted = ", ".join(f"{number:.1f} for {name}" for name, number in effective.items())
    amount = numbers.pop() if len(numbers) == 1 else counted
    found = f"{clusters:,} {units}" + ("" if equal else f", effectively {amount}")
    least = {caution(number) for number in effective.values()}
    if "no interval" in least:
        return (
            f"{found}: with fewer than {FEWEST_FOR_INTERVAL} there is no interval, and no verdict "
            "on which model is better."
        )
    found = f"95 % intervals by patient, from {found}"
    if "no verdict" in least:
        return (
            f"{found}: with fewer than {FEWEST_FOR_VERDICT}, which model is better cannot be told, "
            "and nothing is framed."
        )
    if "few patients" in least:
        return (
            f"{found}: with fewer than {FEW}, intervals may be too narrow, and most real "
            "differences stay undecided."
        )
    return f"{found}."


def at_least(effective: float | np.ndarray, wanted: int) -> bool | np.ndarray:
    """Whether an effective number of patients reaches a limit, but for rounding."""
    return effective >= wanted - NOTHING


def effective_patients(clusters: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The effective number of patients of queries (Kish, 1965) with codes ``clusters`` ``(q,)``.

    ``weights`` ``(q,)`` are the queries' shares in the average, by default equal. 0 without queries.
    """
    if not len(clusters):
        return 0.0
    if weights is None:
        share = np.unique(clusters, return_counts=True)[1] / len(clusters)
    else:
        patients = np.unique(clusters, return_inverse=True)[1]
        share = np.bincount(patients, weights) / weights.sum()
    return float(1 / (share**2).sum())
