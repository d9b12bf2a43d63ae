"""The counts of a preparation, ready for its page."""

import pandas as pd


def preparation_steps(counts: pd.DataFrame) -> dict:
    """Rows, split names and whether patients are known, for the page of a dataset's
    ``preparation.csv``.
    """
    patients = bool(counts["patients"].notna().any())
    splits = [each for each in dict.fromkeys(counts["split"]) if each != "all"]

    def cell(part: pd.DataFrame) -> str:
        return f"{part['images'].sum():,}" + (
            f" ({int(part['patients'].sum()):,})" if patients else ""
        )

    rows = []
    for step, part in counts.groupby("step", sort=False):
        cells = {split: cell(here) for split, here in part.groupby("split")}
        rows.append(
            {"step": step, "cells": [cells.get(split, "") for split in splits], "total": cell(part)}
        )
    return {"rows": rows, "splits": splits, "patients": patients}
