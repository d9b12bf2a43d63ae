"""The table of models and the datasets that they have seen."""

from collections.abc import Callable, Mapping

import pandas as pd

from radcbir.analyses.contamination.compute import MARKS
from radcbir.report.sections import section, text


def contamination_sections(
    statuses: Mapping[str, Mapping[str, str]], cards: Mapping[str, Mapping]
) -> list[dict]:
    """The matrix of models and datasets, with the training data that the cards list."""
    datasets = list(next(iter(statuses.values())))
    frame = pd.DataFrame(
        [
            {"model": model}
            | {dataset: f"{MARKS[status]} {status}" for dataset, status in row.items()}
            | {
                "training_data": ", ".join(cards[model].get("training_data", []))
                or "nothing listed"
            }
            for model, row in statuses.items()
        ]
    )
    plain: Callable[[object], str] = text
    columns = [
        *((name, name, "", plain) for name in datasets),
        ("training_data", "trained on, by its card", "", plain),
    ]
    reading = (
        f"{MARKS['seen']} the weights have seen this dataset: its figures say little about other "
        f"data. {MARKS['sibling']} "
        "they have seen a collection made from or with it. A question mark: the card or the "
        "dataset does not say, or the "
        f"weights come from a collection that nobody can look through. {MARKS['not seen']} they "
        "were trained on other data."
    )
    return [section("Models and datasets", reading, frame, columns, cards)]
