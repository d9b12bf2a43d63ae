"""How fast is a tree of DICOM files listed? Beside a plain loop of pydicom, and once more when known.

    python tests/benchmarks/benchmark_dicom_headers.py

The files are made up: slices of 512 x 512 pixels under the header of a real CT (pydicom's
CT_small.dcm, 258 elements). The peer opens each file with pydicom, up to the pixels, and takes the
same attributes. Ours makes the whole dataset CSV: it looks at all files, reads headers, decides
what is left out, makes labels, and draws splits. The second time headers are known. Times are of
the processor: other work on the machine does not count. Exits with 1 if the rows are not the files,
if ours takes more than `--limit` times the time of the peer, or if the second run is not
`--speedup` times as fast as the first.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pydicom
from pydicom.data import get_testdata_file

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

from radcbir.datasets.preparation import prepare
from radcbir.datasets.providers import registry
from radcbir.datasets.providers.dicom.headers import KEPT

arguments = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
arguments.add_argument("--files", type=int, default=3000, help="slices (default 3,000)")
arguments.add_argument("--slices", type=int, default=100, help="of a series (default 100)")
arguments.add_argument("--limit", type=float, default=1.5, help="times the peer (default 1.5)")
arguments.add_argument("--speedup", type=float, default=5.0, help="of the second run (default 5)")
given = arguments.parse_args()

with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    root = Path("archive")
    header = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
    header.Rows = header.Columns = 512
    header.BodyPartExamined = "CHEST"
    header.PixelData = np.zeros((512, 512), np.int16).tobytes()
    for number in range(given.files):
        series, height = divmod(number, given.slices)
        header.PatientID, header.StudyInstanceUID = f"p{series}", f"1.2.{series}"
        header.SeriesInstanceUID = f"1.2.{series}.1"
        header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = (
            f"1.2.{series}.1.{height}"
        )
        header.InstanceNumber, header.ImagePositionPatient = height + 1, [0, 0, height * 1.25]
        path = root / f"{series:04d}" / f"I{number * 7919 % 100_003:06d}"
        path.parent.mkdir(parents=True, exist_ok=True)
        header.save_as(path)
        os.utime(path, ns=(0, 10**9))  # as old as files of an archive are

    files = sorted(path for path in root.rglob("*") if path.is_file())
    start = time.process_time()
    for path in files:
        with open(path, "rb") as handle:
            peer = pydicom.dcmread(handle, stop_before_pixels=True, specific_tags=[*KEPT])
            values = [str(peer.get(name, "")) for name in KEPT]
    peer_time = time.process_time() - start

    schema = registry()["dicom"].schema()["properties"]
    options = {key: each["default"] for key, each in schema.items() if "default" in each}
    options |= {"from": "dicom", "seed": 0}
    times = []
    for _ in range(2):
        start = time.process_time()
        table, _ = prepare({}, options, root, "benchmark")
        times.append(time.process_time() - start)

complete = len(table) == len(files) and table["position"].astype(float).max() == 1.25 * (given.slices - 1)  # fmt: skip
count = len(files)
print(f"{count:,} files: a loop of pydicom {count / peer_time:,.0f} files/s, a dataset CSV {count / times[0]:,.0f} files/s, again {count / times[1]:,.0f} files/s (processor time); the rows are {'the files' if complete else 'NOT the files'}")  # fmt: skip
sys.exit(not complete or times[0] > given.limit * peer_time or times[1] * given.speedup > times[0])
