"""Tables on disk: CSV and Parquet files that appear whole, and the tables of several models as
one.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from radcbir.core.files import atomic_write


def read_csv(path: str | Path) -> pd.DataFrame:
    """Read a CSV table of the workflow: blank cells are missing, words such as ``None`` are words."""
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def stacked(paths: Sequence[str | Path], models: Sequence[str]) -> pd.DataFrame:
    """The CSV tables of several models as one, a column ``model`` in front."""
    tables = [read_csv(path) for path in paths]
    return pd.concat(tables, keys=models, names=["model", None]).reset_index("model")


def write_parquet(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table to Parquet atomically, reopened before the rename."""
    with atomic_write(path, verify=pq.read_schema) as part:
        table.to_parquet(part, index=False)


def write_csv(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table to CSV atomically; floats keep enough digits to be read back exactly."""
    with atomic_write(path) as part:
        table.to_csv(part, index=False)
