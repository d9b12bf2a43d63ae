"""What was fetched of a PACS becomes a dataset as a folder of DICOM files does."""

import csv
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from radcbir.datasets.preparation import Preparation
from radcbir.datasets.providers.dicom import prepare as folder

NOT_DELIVERED = "left out, the server did not deliver"


def prepare(files: Mapping[str, Path], options: Mapping, images: Path) -> Preparation:
    """The DICOM images below ``images``, as :func:`radcbir.datasets.providers.dicom.prepare.prepare`
    lists them. What ``files["instances"]`` says was not delivered is counted by reason.
    """
    of_folder = {role: path for role, path in files.items() if role != "instances"}
    preparation = folder.prepare(of_folder, options, images)
    with open(files["instances"], newline="", encoding="utf-8") as handle:
        reasons = Counter(row["reason"] for row in csv.DictReader(handle) if row["reason"])
    for reason, count in sorted(reasons.items(), reverse=True):
        preparation.note(f"{NOT_DELIVERED}: {reason}", count, 0)
    return preparation
