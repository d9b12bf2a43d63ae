"""How long does it take from neighbors to the metrics of kNN classification for every k? Ours
beside the paper's way.

    python tests/benchmarks/benchmark_classification.py

The peer is a plain re-implementation of how the published script goes about it: for each k, one
`DataFrame.apply` over the queries that looks the one-hot labels of the first neighbors up by path
and averages them, then scikit-learn's micro and macro ROC-AUC, F1, macro precision and recall, and
accuracy. It caps the votes at the size of the query's true class and settles ties by column, as the
published script does; ours has switches for both, on here so that the figures can be compared. Both
start from a table of neighbors in memory. Ours is also timed as the workflow runs it (no cap,
nearest neighbor settles ties), with plain and with weighted votes, calibration included.

Exits with 1 if a metric of any k differs by more than 1e-12, or if ours is not `--speedup` times as
fast.
"""

import argparse
import os
import sys
import time
from pathlib import Path

arguments = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
arguments.add_argument("--index", type=int, default=20_000, help="index images (default 20,000)")
arguments.add_argument("--queries", type=int, default=3_000, help="query images (default 3,000)")
arguments.add_argument("--classes", type=int, default=20, help="classes, long-tailed (default 20)")
arguments.add_argument("--k", type=int, default=100, help="neighbors per query (default 100)")
arguments.add_argument("--threads", type=int, default=2, help="threads of both sides (default 2)")
arguments.add_argument(
    "--speedup", type=float, default=100.0, help="what ours has to reach (default 100)"
)
arguments.add_argument("--seed", type=int, default=0)
options = arguments.parse_args()
for variable in (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
):
    os.environ[variable] = str(options.threads)
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

import numpy as np
import pandas as pd
from sklearn import metrics as sklearn_metrics

from radcbir.metrics.lists import labelled_lists
from radcbir.metrics.votes import vote_weights, voting_curve


def synthetic(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A catalog and a table of neighbors: overlapping clusters, one per class, few images in most
    classes."""
    count = options.index + options.queries
    shares = 1 / np.arange(1, options.classes + 1) ** 2
    label = rng.choice(options.classes, count, p=shares / shares.sum())
    for start in (0, options.index):  # every class is in the index and is asked for
        label[start : start + options.classes] = np.arange(options.classes)
    vectors = 0.3 * rng.standard_normal((options.classes, 64))[label] + rng.standard_normal(
        (count, 64)
    )
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    scores = vectors[options.index :] @ vectors[: options.index].T
    nearest = np.argsort(-scores, axis=1, kind="stable")[:, : options.k]
    names = np.array([f"XR/chest/Finding {each:03d}" for each in range(options.classes)])
    catalog = pd.DataFrame(
        {
            "id": np.arange(count),
            "path": [f"images/{each:08d}_000.png" for each in range(count)],
            "split": np.repeat(["train", "test"], [options.index, options.queries]),
            "label": names[label],
            "modality": "XR",
            "region": "chest",
            "patient_id": None,
        }
    )
    neighbors = pd.DataFrame(
        {
            "query": np.repeat(np.arange(options.index, count), options.k),
            "rank": np.tile(np.arange(1, options.k + 1), options.queries),
            "neighbor": nearest.ravel(),
            "score": np.take_along_axis(scores, nearest, axis=1).ravel(),
        }
    )
    return catalog, neighbors


def slow_side(found: pd.DataFrame, index: pd.DataFrame, queries: pd.DataFrame) -> pd.DataFrame:
    """The metrics for k = 1 .. K as the published script gets them.

    ``found`` holds paths, a row per query and a column per rank; ``index`` and ``queries`` hold
    one-hot labels by path.
    """
    available, truth = index.sum(), queries.to_numpy()
    rows = []
    for k in range(1, found.shape[1] + 1):

        def probabilities_of(row: pd.Series, k: int = k) -> np.ndarray:
            votes = min(k, available[pd.to_numeric(queries.loc[row.name]).idxmax()])
            return index.reindex(row.iloc[:votes]).to_numpy().mean(axis=0)

        probabilities = found.apply(probabilities_of, axis=1, result_type="expand").to_numpy()
        true, predicted = truth.argmax(axis=1), probabilities.argmax(axis=1)
        rows.append(
            {
                "k": k,
                ("roc_auc", "micro"): sklearn_metrics.roc_auc_score(
                    truth, probabilities, average="micro"
                ),
                ("roc_auc", "macro"): sklearn_metrics.roc_auc_score(
                    truth, probabilities, average="macro"
                ),
                ("f1", "micro"): sklearn_metrics.f1_score(true, predicted, average="micro"),
                ("f1", "macro"): sklearn_metrics.f1_score(true, predicted, average="macro"),
                ("precision", "macro"): sklearn_metrics.precision_score(
                    true, predicted, average="macro", zero_division=0
                ),
                ("recall", "macro"): sklearn_metrics.recall_score(true, predicted, average="macro"),
                ("accuracy", "micro"): sklearn_metrics.accuracy_score(true, predicted),
            }
        )
    return pd.DataFrame(rows).set_index("k")


def our_side(
    neighbors: pd.DataFrame,
    catalog: pd.DataFrame,
    weighted: bool = False,
    as_published: bool = False,
):
    """The same metrics and the calibration error from the table of neighbors."""
    lists = labelled_lists(
        neighbors, catalog, catalog["id"].to_numpy(), "train", "test", options.k
    )["all"]
    switches = {"at_most": lists.relevant, "ties": "first_class"} if as_published else {}
    weights = vote_weights(lists.scores) if weighted else None
    ks = range(1, options.k + 1)
    return voting_curve(
        lists.neighbor_labels, lists.labels, ks, options.classes, weights=weights, **switches
    )


def timed(function, *inputs, repeats: int = 1, **settings):
    """The result of a call and its seconds, the best of some repeats."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = function(*inputs, **settings)
        seconds.append(time.perf_counter() - start)
    return result, min(seconds)


def main() -> int:
    catalog, neighbors = synthetic(np.random.default_rng(options.seed))
    paths = catalog["path"].to_numpy()
    ranks = [f"{rank}" for rank in range(1, options.k + 1)]
    found = pd.DataFrame(
        paths[neighbors["neighbor"]].reshape(-1, options.k), paths[options.index :], ranks
    )
    one_hot = pd.get_dummies(catalog["label"]).astype(int).set_axis(catalog["path"])
    curve, ours = timed(our_side, neighbors, catalog, as_published=True, repeats=3)
    _, plain = timed(our_side, neighbors, catalog, repeats=3)
    _, weighted = timed(our_side, neighbors, catalog, weighted=True, repeats=3)
    expected, theirs = timed(
        slow_side, found, one_hot.iloc[: options.index], one_hot.iloc[options.index :]
    )

    values = curve.pivot_table(index="k", columns=["metric", "average"], values="value")
    difference = max(
        float((values[name] - expected[name]).abs().max()) for name in expected.columns
    )
    speedup = theirs / ours
    print(
        f"{options.index:,} index and {options.queries:,} query images, {options.classes} classes, k = 1 to {options.k}, "
        f"{options.threads} threads"
    )
    print(f"one k and query at a time      {theirs:>8.2f} s")
    print(f"ours, the same figures         {ours:>8.2f} s  {speedup:>6.0f}x")
    print(
        f"ours, as the workflow runs it  {plain:>8.2f} s  {theirs / plain:>6.0f}x  (votes count alike)"
    )
    print(
        f"                               {weighted:>8.2f} s  {theirs / weighted:>6.0f}x  (votes weighted by score)"
    )
    print(f"largest difference of any metric at any k: {difference:.1e}")
    failures = []
    if not difference <= 1e-12:
        failures.append(f"a metric differs by {difference:.1e}, more than 1e-12")
    if not speedup >= options.speedup:
        failures.append(f"ours is {speedup:.0f} times as fast, not {options.speedup:g}")
    for failure in failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
