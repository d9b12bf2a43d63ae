"""The counts of a preparation, ready for its page."""

import pandas as pd

from radcbir.datasets.preparation import LABELS_STEP


def preparation_steps(counts: pd.DataFrame) -> dict:
    """Rows, split names, whether patients are known, and rows by label where splits were drawn, for
    the page of a dataset's ``preparation.csv``.
    """
    patients = bool(counts["patients"].notna().any())
    of_labels = counts["step"] == LABELS_STEP
    splits = [each for each in dict.fromkeys(counts["split"]) if each != "all"]

    def cell(part: pd.DataFrame) -> str:
        return f"{part['images'].sum():,}" + (
            f" ({int(part['patients'].sum()):,})" if patients else ""
        )

    def rows(table: pd.DataFrame, by: str) -> list[dict]:
        found = []
        for name, part in table.groupby(by, sort=False):
            of_split = {split: cell(here) for split, here in part.groupby("split")}
            cells = [of_split.get(split, "") for split in splits]
            found.append({by: name, "cells": cells, "total": cell(part)})
        return found

    return {
        "rows": rows(counts[~of_labels], "step"),
        "labels": rows(counts[of_labels], "label") if of_labels.any() else [],
        "splits": splits,
        "patients": patients,
    }
