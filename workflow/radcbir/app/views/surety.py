"""How far the hits of a query can be trusted, by the analysis confidence."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from radcbir.analyses.confidence.stored import Stored as Fit
from radcbir.analyses.confidence.stored import rated
from radcbir.app.question import Question
from radcbir.app.vectors import VectorIndex


def is_like_the_benchmark(question: Question, index: VectorIndex) -> bool:
    """Whether a question is of the benchmark's kind: one whole image (or series, study, patient) that
    the index does not have, searched in the whole index.
    """
    marked = question.right or question.wrong or any(question.filters.values())
    [first, *others] = question.items
    if marked or others or first.kind == "text" or first.crop or first.slices:
        return False
    return first.kind != "image" or not (index.positions(np.array([first.id])) >= 0).any()


def surety(
    fit: Fit, scores: np.ndarray, labels: Sequence[str | None]
) -> tuple[list[float | None], dict[str, Any]]:
    """What a fit says of ranked hits, the nearest images of the whole index: the chance of each (None
    where it says nothing), and what there is of ``of_patients`` (behind the fit), ``set_size`` with
    ``set_sure``, and ``unlike``.
    """
    found = rated(fit, scores, labels)
    chances = [None if np.isnan(each) else round(float(each), 3) for each in found.chance]
    answer: dict[str, Any] = {}
    if any(each is not None for each in chances) and fit["unit"] != "image":
        answer["of_patients"] = fit["patients"]
    if fit["set"]["size"] is not None and not found.unlike:
        answer |= {"set_size": fit["set"]["size"], "set_sure": 1 - fit["set"]["alpha"]}
    if found.unlike is not None:
        answer["unlike"] = found.unlike
    return chances, answer
