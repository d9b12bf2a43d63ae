"""What do embeddings in half precision cost? Precision and neighbors of the demo with `storage:
float32` and `float16`.

    python tests/benchmarks/benchmark_storage.py

Has Snakemake embed the demo (nothing to do where it has run), writes the vectors as float32 and as
float16 with the workflow's own writer, reads them back, searches and evaluates both with the
functions that the rules use. Printed are the capped P@1 and P@10 (micro) of both, the share of
queries whose first ten neighbors are the same images, and the bytes of both.

Exits with 1 if a P@k moves by more than `--limit`.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "workflow"))

import numpy as np
import pandas as pd
import yaml

from radcbir.embedding import store
from radcbir.metrics.evaluation import evaluate
from radcbir.retrieval import exact, index_file, neighbor_table
from radcbir.retrieval.neighbor_table import Queries


def precision(
    neighbors: pd.DataFrame, catalog: pd.DataFrame, embedded: np.ndarray, split: str, k: int
) -> list[float]:
    """Capped P@1 and P@10, micro."""
    table = evaluate(neighbors, catalog, embedded, "train", split, k).summary
    chosen = table[(table["neighbors"] == "all") & (table["average"] == "micro")].set_index(
        "metric"
    )["value"]
    return [chosen["precision_at_1"], chosen["precision_at_10"]]


def first_ten(neighbors: pd.DataFrame) -> pd.Series:
    return neighbors[neighbors["rank"] <= 10].groupby("query")["neighbor"].agg(frozenset)


def neighbors_of(path: Path, catalog: pd.DataFrame, k: int) -> pd.DataFrame:
    """The neighbors of the test split in the train split, from an embedding file."""
    known = catalog.set_index("id")["patient_id"]
    indexed, asked = (
        store.read([path], catalog.loc[catalog["split"] == split, "id"].to_numpy())
        for split in ("train", "test")
    )
    index = path.with_suffix(".faiss")
    index_file.build_index(index, [indexed], indexed[1].shape[1], len(indexed[0]))
    parts = exact.neighbor_tables(index, Queries(*asked, k, known.loc[asked[0]].to_numpy(), known))
    neighbor_table.write_neighbors(path.with_suffix(".parquet"), parts)
    return pd.read_parquet(path.with_suffix(".parquet"))


def main() -> int:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument(
        "--limit", type=float, default=0.01, help="how far a P@k may move (default 0.01)"
    )
    arguments.add_argument("--models", nargs="+", help="of the demo's models, by default all")
    options = arguments.parse_args()
    config = yaml.safe_load((REPOSITORY / "config/config.yaml").read_text())
    models = options.models or config["models"]
    experiments = config["experiments"]
    targets = [f"results/experiments/{name}/catalog.parquet" for name in experiments]
    targets += [
        f"results/embeddings/{model}/{each}.h5" for model in models for each in config["datasets"]
    ]
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--quiet", "all", "--", *targets]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    moved: list[float] = []
    print(
        f"{'experiment':<14}{'model':<22}{'P@1':>8}{'float16':>9}{'P@10':>8}{'float16':>9}{'same ten':>10}{'bytes':>7}"
    )
    for name, model in ((name, model) for name in experiments for model in models):
        catalog = pd.read_parquet(REPOSITORY / f"results/experiments/{name}/catalog.parquet")
        files = [
            REPOSITORY / f"results/embeddings/{model}/{each}.h5"
            for each in experiments[name]["datasets"]
        ]
        ids, vectors = store.read(files, catalog["id"].to_numpy())
        attributes = {each: "" for each in store.COMMON if each != "format"}
        found, size = {}, {}
        with tempfile.TemporaryDirectory() as temporary:
            for storage in ("float32", "float16"):
                path = Path(temporary, f"{storage}.h5")
                store.write_shard(path, ids, vectors, [], attributes, storage)
                found[storage] = neighbors_of(path, catalog, experiments[name]["k"])
                size[storage] = path.stat().st_size
        whole, half = (
            precision(each, catalog, ids, "test", experiments[name]["k"]) for each in found.values()
        )
        same = (first_ten(found["float32"]) == first_ten(found["float16"])).mean()
        moved += np.abs(np.subtract(whole, half)).tolist()
        print(
            f"{name:<14}{model:<22}{whole[0]:>8.4f}{half[0]:>9.4f}{whole[1]:>8.4f}{half[1]:>9.4f}{same:>10.3f}"
            f"{size['float16'] / size['float32']:>7.2f}",
            flush=True,
        )
    print(f"largest change of a P@k: {max(moved):.4f}")
    if max(moved) > options.limit:
        print(f"FAILED: a P@k moved by more than {options.limit:g}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
