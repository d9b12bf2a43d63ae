"""Files that hold several images, listed image by image."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd

from radcbir.core.logs import Progress
from radcbir.images.slices import images_of


def by_slice(listed: pd.DataFrame, options: Mapping, root: Path) -> pd.DataFrame:
    """A row per image where a file (column ``filepath``) holds several; a file that cannot be read
    stays, for the ledger to name.

    ``options`` are `planes`, `step` and `trim`.
    """
    progress = Progress(len(listed), "files opened")

    def cut(path: str) -> list[str]:
        try:
            return images_of(path, root, options)
        finally:
            progress.advance()

    with ThreadPoolExecutor(8) as pool:
        found: Any = list(pool.map(cut, listed["filepath"]))
    return listed.assign(filepath=found).explode("filepath", ignore_index=True)
