"""What do embeddings in half precision cost? Precision and neighbors of the demo with `storage: float32` and `float16`.

    python tests/benchmarks/benchmark_storage.py

Has Snakemake make the neighbors of the demo with float32 (nothing to do where the demo has run), writes the same vectors
as float16 with the workflow's own writer, reads them back, searches and evaluates them with the functions that the rules
use. Printed are the capped P@1 and P@10 (micro) of both, the share of queries whose first ten neighbors are the same
images, and the bytes of both.

Exits with 1 if a P@k moves by more than `--limit`.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "workflow"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import yaml  # noqa: E402

from radcbir import embeddings, metrics, search  # noqa: E402


def precision(neighbors: pd.DataFrame, catalog: pd.DataFrame, embedded: np.ndarray, split: str, k: int) -> list[float]:
    """Capped P@1 and P@10, micro."""
    table = metrics.evaluate(neighbors, catalog, embedded, "train", split, k).summary
    chosen = table[(table["neighbors"] == "all") & (table["average"] == "micro")].set_index("metric")["value"]
    return [chosen["precision_at_1"], chosen["precision_at_10"]]


def first_ten(neighbors: pd.DataFrame) -> pd.Series:
    return neighbors[neighbors["rank"] <= 10].groupby("query")["neighbor"].agg(frozenset)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--limit", type=float, default=0.01, help="how far a P@k may move (default 0.01)")
    options = arguments.parse_args()
    config = yaml.safe_load((REPOSITORY / "config/config.yaml").read_text())
    cases = [(name, each, model) for name, each in config["experiments"].items() for model in config["models"]]
    tables = [f"results/experiments/{name}/{model}/knn/test.parquet" for name, _, model in cases]
    subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", "--quiet", "all", "--", *tables], cwd=REPOSITORY, check=True
    )
    moved: list[float] = []
    print(
        f"{'experiment':<14}{'model':<22}{'P@1':>8}{'float16':>9}{'P@10':>8}{'float16':>9}{'same ten':>10}{'bytes':>7}"
    )
    for (name, experiment, model), table in zip(cases, tables, strict=True):
        catalog = pd.read_parquet(REPOSITORY / f"results/experiments/{name}/catalog.parquet")
        files = [REPOSITORY / f"results/embeddings/{model}/{each}.h5" for each in experiment["datasets"]]
        embedded = np.concatenate([embeddings.read_ids(path) for path in files])
        before = pd.read_parquet(REPOSITORY / table)
        ids, vectors = embeddings.read(files, catalog["id"].to_numpy())
        attributes = {each: "" for each in embeddings.COMMON if each != "format"}
        with tempfile.TemporaryDirectory() as temporary:
            for storage in ("float32", "float16"):
                embeddings.write_shard(Path(temporary, f"{storage}.h5"), ids, vectors, [], attributes, storage)
            whole, half = (Path(temporary, f"{storage}.h5") for storage in ("float32", "float16"))
            share = half.stat().st_size / whole.stat().st_size
            indexed, asked = (
                embeddings.read([half], catalog.loc[catalog["split"] == split, "id"].to_numpy())
                for split in ("train", "test")
            )
            search.build_index(Path(temporary, "train.faiss"), [indexed], vectors.shape[1], len(ids))
            parts = search.neighbor_tables(
                Path(temporary, "train.faiss"), *asked, experiment["k"],
                catalog.set_index("id").loc[asked[0], "patient_id"].to_numpy(), catalog.set_index("id")["patient_id"],
            )  # fmt: skip
            search.write_neighbors(Path(temporary, "test.parquet"), parts)
            after = pd.read_parquet(Path(temporary, "test.parquet"))
        ours, others = (precision(each, catalog, embedded, "test", experiment["k"]) for each in (before, after))
        same = (first_ten(before) == first_ten(after)).mean()
        moved += np.abs(np.subtract(ours, others)).tolist()
        print(
            f"{name:<14}{model:<22}{ours[0]:>8.4f}{others[0]:>9.4f}{ours[1]:>8.4f}{others[1]:>9.4f}{same:>10.3f}{share:>7.2f}",
            flush=True,
        )
    print(f"largest change of a P@k: {max(moved):.4f}")
    if max(moved) > options.limit:
        print(f"FAILED: a P@k moved by more than {options.limit:g}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
