"""Artefacts as the reference publishes them, made small and slowly: files, neighbor lists and
figures, image by image.

A second implementation for the tests: plain loops over dictionaries, no code in common with the
workflow. It follows what is known of the reference's scripts, their quirks included (each an
argument), and writes its file layout.
"""

import csv
import json
import math
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

MODEL = "BiomedCLIPVitB16_224"
GROUP = "chexpert_mimic_nih14_radimagenet"
DIMENSION = 16
SETS = {  # CSV -> the dataset's name in its rows, and in the name of its HDF5 file
    "nih14": "nih14", "mimic": "mimic", "radimagenet": "radiology_ai", "CheXpert": "CheXpert",
}  # fmt: skip
LABELS = {
    "nih14": ["XR/chest/No Finding", "XR/chest/Mass", "XR/chest/Hernia"],
    "mimic": ["XR/chest/Edema", "XR/chest/No Finding"],
    "radimagenet": ["CT/abd/normal", "CT/abd/renal_lesion", "MR/knee/acl_pathology"],
    "CheXpert": ["XR/chest/No Finding", "XR/chest/Fracture", "XR/chest/Lung Lesion"],
}
COUNTS = {  # images of each label in train, val and test; a label is rare in the index, another is not in it at all
    "XR/chest/No Finding": (14, 5, 6), "XR/chest/Mass": (7, 3, 4), "XR/chest/Hernia": (2, 1, 3), "XR/chest/Edema": (9, 4, 4),
    "CT/abd/normal": (16, 5, 5), "CT/abd/renal_lesion": (5, 3, 4), "MR/knee/acl_pathology": (11, 4, 5),
    "XR/chest/Fracture": (6, 3, 3), "XR/chest/Lung Lesion": (0, 0, 2),
}  # fmt: skip
PRECISION_COLUMNS = [
    "micro_precision_mean",
    "micro_precision_std",
    "macro_precision_mean",
    "macro_precision_std",
]


def images(lone: bool = True) -> dict[str, list[dict]]:
    """Rows per dataset, deterministic, in no particular order of paths: filepath, split, label."""
    random = np.random.default_rng(5)
    rows = {}
    for name, labels in LABELS.items():
        rows[name] = []
        for label in labels:
            for split, count in zip(("train", "val", "test"), COUNTS[label], strict=True):
                if label == "XR/chest/Lung Lesion" and not lone:
                    continue
                for _ in range(count):
                    folder = f"patient{random.integers(1000):05d}"
                    path = f"{SETS[name]}/{folder}/{random.integers(1 << 30):010x}.png"
                    rows[name].append({"filepath": path, "split": split, "label": label})
        rows[name] = [rows[name][place] for place in random.permutation(len(rows[name]))]
        rows[name].sort(key=lambda row: ["train", "val", "test"].index(row["split"]))
    return rows


def vectors(rows: dict[str, list[dict]], spread: float = 1.1) -> dict[str, np.ndarray]:
    """A unit vector per path: near the center of its label, not so near that every neighbor is
    right."""
    random = np.random.default_rng(11)
    centers = {label: random.normal(size=DIMENSION) for label in COUNTS}
    found = {}
    for listed in rows.values():
        for row in listed:
            vector = (centers[row["label"]] + random.normal(size=DIMENSION) * spread).astype(
                np.float32
            )
            found[row["filepath"]] = vector / np.linalg.norm(vector)
    return found


class Published:
    """The artefacts in a folder. ``without`` names paths that got no embedding."""

    def __init__(self, folder: Path, k: int = 20, lone: bool = True, without: tuple[str, ...] = ()):
        self.folder, self.k = Path(folder), k
        self.rows = images(lone)
        self.vectors = {
            path: each for path, each in vectors(self.rows).items() if path not in without
        }
        self.label = {
            row["filepath"]: row["label"] for listed in self.rows.values() for row in listed
        }
        self.columns = list(
            dict.fromkeys(label for name in LABELS for label in self.columns_of(name))
        )
        self.index = self.ordered("train")
        self.neighbors = self.search()

    def columns_of(self, name: str) -> list[str]:
        """The label columns of a dataset's CSV."""
        return [
            each for each in LABELS[name] if any(row["label"] == each for row in self.rows[name])
        ]

    def listed(self, split: str) -> list[str]:
        """The paths of a split as they stand in the experiment's CSV."""
        return [
            row["filepath"]
            for listed in self.rows.values()
            for row in listed
            if row["split"] == split
        ]

    def ordered(self, *splits: str) -> list[str]:
        """The paths of some splits that have an embedding, by dataset first, as the scripts go
        through the files."""
        return [
            row["filepath"]
            for listed in self.rows.values()
            for split in splits
            for row in listed
            if row["split"] == split and row["filepath"] in self.vectors
        ]

    def search(self) -> dict[str, list[str]]:
        """Per query (test, then val of each dataset) its k neighbors; beyond the index's end the
        last image, as from -1."""
        found = {}
        for query in self.ordered("test", "val"):
            scores = [
                float(np.dot(self.vectors[query].astype(float), self.vectors[each].astype(float)))
                for each in self.index
            ]
            best = sorted(range(len(scores)), key=lambda place: -scores[place])[: self.k]
            best += [-1] * (self.k - len(best))
            found[query] = [self.index[place] for place in best]
        return found

    # --- figures ---

    def precision(self, last: int | None = None, queries: list[str] | None = None) -> list[dict]:
        """The rows of retrieval.csv, k = 1 .. ``last`` (by default k - 1, as range() leaves out its
        end)."""
        queries = queries or self.listed("test")
        occurrences = {
            label: sum(self.label[path] == label for path in self.listed("train"))
            for label in self.columns
        }
        table = []
        for k in range(1, (last or self.k - 1) + 1):
            by_label: dict[str, list[float]] = {}
            for query in queries:
                label = self.label[query]
                n = min(k, occurrences[label])
                hits = sum(self.label[path] == label for path in self.neighbors[query][:n])
                by_label.setdefault(label, []).append(hits / n if n else math.nan)
            kept = [
                value for values in by_label.values() for value in values if not math.isnan(value)
            ]
            classes = [[v for v in values if not math.isnan(v)] for values in by_label.values()]
            means = [np.mean(values) for values in classes if values]
            spreads = [np.std(values, ddof=1) for values in classes if len(values) > 1]
            table.append(
                dict(
                    zip(
                        PRECISION_COLUMNS,
                        (np.mean(kept), np.std(kept, ddof=1), np.mean(means), np.mean(spreads)),
                        strict=True,
                    )
                )
            )
        return table

    def predict(self, queries: list[str], k: int, leak: bool = True) -> np.ndarray:
        """Class probabilities: the share of each label among the first n neighbors."""
        occurrences = {
            label: sum(self.label[path] == label for path in self.listed("train"))
            for label in self.columns
        }
        shares = []
        for query in queries:
            n = min(k, occurrences[self.label[query]]) if leak else k
            first = [self.label[path] for path in self.neighbors[query][:n]]
            shares.append([first.count(label) / n for label in self.columns])
        return np.array(shares)

    def evaluate(self, queries: list[str], predicted: np.ndarray) -> dict[str, float]:
        """The columns of knn_classification.csv."""
        truth = np.array(
            [[self.label[query] == label for label in self.columns] for query in queries], dtype=int
        )
        true, guess = truth.argmax(axis=1), predicted.argmax(axis=1)
        return {
            "micro_roc_auc": roc_auc_score(truth, predicted, average="micro"),
            "micro_f1": f1_score(true, guess, average="micro"),
            "macro_roc_auc": roc_auc_score(truth, predicted, average="macro"),
            "macro_f1": f1_score(true, guess, average="macro"),
            "macro_precision": precision_score(true, guess, average="macro", zero_division=0),
            "macro_recall": recall_score(true, guess, average="macro", zero_division=0),
            "macro_accuracy": accuracy_score(true, guess),
        }

    def validation(self, leak: bool = True, last: int | None = None) -> list[dict]:
        """The rows of knn_validation_val.csv, k = 1 .. ``last``."""
        queries = self.listed("val")
        return [
            self.evaluate(queries, self.predict(queries, k, leak))
            for k in range(1, (last or self.k - 1) + 1)
        ]

    def classification(
        self, leak: bool = True, off_by_one: bool = True, last: int | None = None
    ) -> tuple[int, dict]:
        """The k that is used on the test split, and the row of knn_classification.csv."""
        scores = [row["micro_f1"] for row in self.validation(leak, last)]
        row = scores.index(max(scores))
        k = row if off_by_one else row + 1
        return k, self.evaluate(self.listed("test"), self.predict(self.listed("test"), k, leak))

    # --- files ---

    def write(self, figures: bool = True) -> "Published":
        """Write everything below the folder, as unpacked archives lie."""
        for name, dataset in SETS.items():
            self._csv(
                f"datasets/{name}.csv", dataset, {name: self.rows[name]}, self.columns_of(name)
            )
            self._embeddings(f"embeddings/{MODEL}/{dataset}.h5", self.rows[name])
        for split in ("train", "val", "test"):
            rows = {
                name: [row for row in listed if row["split"] == split]
                for name, listed in self.rows.items()
            }
            self._csv(f"experiments/{GROUP}/{split}.csv", None, rows, self.columns)
        home = self.folder / f"experiments/{GROUP}/{MODEL}"
        home.mkdir(parents=True, exist_ok=True)
        (home / "config.json").write_text(json.dumps({"k": self.k, "label_columns": self.columns}))
        (home / "metadata.json").write_text(json.dumps(self.index))
        self._faiss(home / "faiss.index")
        with open(home / "knn.csv", "w", newline="") as handle:
            table = csv.writer(handle)
            table.writerow(["query", *range(1, self.k + 1)])
            table.writerows([query, *neighbors] for query, neighbors in self.neighbors.items())
        if figures:
            rows_to_csv(home / "retrieval.csv", self.precision(), numbered=True)
            rows_to_csv(home / "knn_validation_val.csv", self.validation(), numbered=True)
            rows_to_csv(home / "knn_classification.csv", [self.classification()[1]])
        return self

    def archive(self, archives: Path) -> dict[str, Path]:
        """Pack what :meth:`write` wrote as the record's two archives."""
        archives.mkdir(parents=True, exist_ok=True)
        packed = {}
        for name, folder in (
            ("datasets.zip", "datasets"),
            ("experiments_BiomedCLIPVitB16-224.zip", "experiments"),
        ):
            packed[name] = archives / name
            with zipfile.ZipFile(packed[name], "w", zipfile.ZIP_DEFLATED) as archive:
                for path in sorted((self.folder / folder).rglob("*")):
                    archive.write(path, path.relative_to(self.folder))
        return packed

    def _csv(
        self, path: str, dataset: str | None, rows: dict[str, list[dict]], columns: list[str]
    ) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        with open(self.folder / path, "w", newline="") as handle:
            table = csv.writer(handle)
            table.writerow(
                ["filepath", "dataset", "split", "modality", "anatomic_region", *columns]
            )
            for name, listed in rows.items():
                for row in listed:
                    modality, region, _ = row["label"].split("/")
                    one_hot = [float(row["label"] == column) for column in columns]
                    table.writerow(
                        [
                            row["filepath"],
                            dataset or SETS[name],
                            row["split"],
                            modality,
                            region,
                            *one_hot,
                        ]
                    )

    def _embeddings(self, path: str, rows: list[dict]) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(self.folder / path, "w") as file:
            for row in rows:
                if row["filepath"] in self.vectors:
                    file.create_dataset(row["filepath"], data=self.vectors[row["filepath"]])

    def _faiss(self, path: Path) -> None:
        """In a process of its own: other tests import torch into this one."""
        np.save(path.with_suffix(".npy"), np.stack([self.vectors[each] for each in self.index]))
        code = (
            "import sys, faiss, numpy as np; v = np.load(sys.argv[1]); i = faiss.IndexFlatIP(v.shape[1]); i.add(v); "
            "faiss.write_index(i, sys.argv[2])"
        )
        subprocess.run([sys.executable, "-c", code, path.with_suffix(".npy"), path], check=True)
        path.with_suffix(".npy").unlink()


def rows_to_csv(path: Path, rows: list[dict], numbered: bool = False) -> None:
    """A table, with a column of row numbers without a name in front where ``numbered``."""
    with open(path, "w", newline="") as handle:
        table = csv.writer(handle)
        table.writerow([*([""] if numbered else []), *rows[0]])
        table.writerows(
            [*([number] if numbered else []), *row.values()] for number, row in enumerate(rows)
        )
