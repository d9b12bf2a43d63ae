"""The ledger: what was rejected, where and why, and that for each model listed = embedded +
rejected.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from radcbir.datasets.catalog import LEDGER_COLUMNS


def build_ledger(
    catalog: pd.DataFrame,
    rejected_rows: pd.DataFrame,
    embedded: Mapping[str, np.ndarray],
    rejected_images: Mapping[str, pd.DataFrame],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The ledger of a dataset (columns path, stage, model, reason) and its coverage (one row per
    model).

    ``catalog`` has the ids of the images that the catalog took, ``rejected_rows`` the ledger rows
    of those it did not; per model, ``embedded`` has the ids (n,) with a vector and
    ``rejected_images`` a table of id, path and reason.

    Raises :class:`ValueError` where an image is neither embedded nor rejected, or both: that would
    be a silent gap.
    """
    parts, coverage = [rejected_rows[LEDGER_COLUMNS]], []
    expected = np.sort(catalog["id"].to_numpy())
    for model, ids in embedded.items():
        rejected = rejected_images[model]
        accounted = np.sort(np.concatenate([ids, rejected["id"].to_numpy(np.int64)]))
        if not np.array_equal(accounted, expected):
            raise ValueError(
                f"{model}: {len(ids)} embedded and {len(rejected)} rejected images do not add up "
                f"to the {len(expected)} "
                "images of the catalog"
            )
        parts.append(rejected.assign(stage="embed", model=model)[LEDGER_COLUMNS])
        coverage.append(
            {
                "model": model,
                "listed": len(catalog) + len(rejected_rows),
                "rejected_by_catalog": len(rejected_rows),
                "rejected_by_embed": len(rejected),
                "embedded": len(ids),
            }
        )
    ledger = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    return ledger.sort_values(["path", "stage", "model"], ignore_index=True), pd.DataFrame(coverage)
