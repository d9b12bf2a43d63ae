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
        f"{MARKS['seen']} The weights have seen this dataset, so a result on it is not a result on "
        "unseen data. "
        f"{MARKS['sibling']} The weights have seen a collection made from or with it. "
        "? The card or the dataset does not say it, or the weights come from a collection that "
        f"is not public. {MARKS['not seen']} The weights were trained on other data."
    )
    return [section("Models and datasets", reading, frame, columns, cards)]
