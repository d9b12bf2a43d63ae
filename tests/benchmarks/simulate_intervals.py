"""How often do intervals hold the truth, and how often are equal models called different?

    python tests/benchmarks/simulate_intervals.py

The simulations of `tests/unit/metrics/test_intervals.py` for more cases and experiments, beside the
plain methods: the percentile interval of the cluster bootstrap, and pairs of models judged one by
one. Prints three tables. Exits with 1 where intervals of 6 effective patients or more hold the
truth less often than `--coverage`, or one of eight equal models is called different in more than
`--wrong` of the experiments.
"""

import argparse
import sys
from pathlib import Path

arguments = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
arguments.add_argument("--experiments", type=int, default=4000)
arguments.add_argument("--resamples", type=int, default=500)
arguments.add_argument("--coverage", type=float, default=0.88)
arguments.add_argument("--wrong", type=float, default=0.07)
options = arguments.parse_args()
root = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(root / "workflow"), str(root / "tests" / "shared")]

import numpy as np
import pandas as pd
from simulated_patients import answers, answers_by_class, equal_models

from radcbir.metrics.intervals import average, difference_interval, drawn_signs, swapped

random = np.random.default_rng(0)
DRAWS = 20


def percentiles(values, cluster, classes=None):
    """The percentile interval of resampled patients."""
    patients = int(cluster.max()) + 1
    drawn = random.multinomial(patients, np.full(patients, 1 / patients), options.resamples)
    means = []
    for each in np.unique(classes) if classes is not None else [None]:
        rows = slice(None) if each is None else classes == each
        sums = np.zeros((patients, values.shape[1]))
        np.add.at(sums, cluster[rows], values[rows])
        counts = (drawn @ np.bincount(cluster[rows], minlength=patients))[:, None]
        means.append(
            np.divide(
                drawn @ sums,
                counts,
                out=np.full((len(drawn), values.shape[1]), np.nan),
                where=counts > 0,
            )
        )
    return np.nanquantile(np.nanmean(means, axis=0), [0.025, 0.975], axis=0)


def coverage(make, truth):
    """Shares of intervals that hold the truth: ours and percentiles; width and effective number."""
    rows = []
    for _ in range(DRAWS):
        given = make(options.experiments // DRAWS)
        found = average(*given)
        low, high = found.interval()
        plain = percentiles(*given)
        rows.append(
            (
                ((low <= truth) & (truth <= high)).mean() if np.isfinite(low).all() else np.nan,
                ((plain[0] <= truth) & (truth <= plain[1])).mean(),
                (high - low).mean(),
                found.effective,
            )
        )
    return np.nanmean(rows, axis=0)


def verdicts(patients, kind, truth, macro, size=50):
    """How often one of eight equal models is called different: by the adjusted test, and pair by
    pair."""
    wrong = np.zeros(2)
    experiments = max(size, options.experiments // 5 // size * size)
    for _ in range(experiments // size):
        values, cluster = equal_models(random, patients, kind, truth, size)
        models = values.shape[1]
        classes = random.integers(0, 6, len(cluster)) if macro else None
        found = average(values.reshape(len(cluster), -1), cluster, classes)
        totals, moves = (each.reshape(-1, models, size) for each in (found.totals, found.moves))
        value = found.value.reshape(models, size)
        one, other = np.triu_indices(models, 1)
        (drawn,) = drawn_signs([found.totals], options.resamples, int(random.integers(1 << 30)))
        p = swapped(totals, drawn.reshape(-1, models, size), one, other)
        ends = np.array(
            [
                difference_interval(value[a] - value[b], moves[:, a] - moves[:, b], found.effective)
                for a, b in zip(one, other, strict=True)
            ]
        )
        apart = (ends[:, 0] > 0) | (ends[:, 1] < 0)
        wrong += (p <= 0.05).any(axis=0).sum(), apart.any(axis=0).sum()
    return wrong / experiments


COLUMNS = ["coverage", "percentile", "width", "effective"]
micro, macro, families = {}, {}, {}
for truth in (0.5, 0.7, 0.9, 0.97):
    for kind in ("equal", "lognormal"):
        for patients in (5, 8, 10, 20, 30, 50, 100, 300):
            micro[truth, kind, patients] = coverage(
                lambda count, case=(patients, kind, truth): answers(random, *case, count), truth
            )
for center in (0.7, 0.85):
    for kind in ("equal", "lognormal"):
        for name, patients in {
            "13 of 31 with one": [1] * 13 + [2] * 8 + [3] * 5 + [5] * 3 + [10] * 2,
            "4 with 3": [3] * 4,
            "5 with 2": [2] * 5,
            "8 with 1": [1] * 8,
            "10 with 10": [10] * 10,
            "1 and 30": [1, 30],
            "1, 9, 30": [1, 9, 30],
        }.items():
            truths = np.clip(center + 0.15 * np.linspace(-1, 1, len(patients)), 0.02, 0.98)
            macro[center, kind, name] = coverage(
                lambda count, case=(patients, truths, kind): answers_by_class(random, *case, count),
                truths.mean(),
            )
for average_of in ("micro", "macro"):
    for truth in (0.7, 0.9):
        for kind in ("equal", "lognormal"):
            for patients in (6, 8, 10, 20, 50, 100):
                families[average_of, truth, kind, patients] = verdicts(
                    patients, kind, truth, average_of == "macro"
                )
tables = {
    "micro: truth, sizes, patients": pd.DataFrame(micro, COLUMNS).T,
    "macro: mean truth, sizes, patients per class": pd.DataFrame(macro, COLUMNS).T,
    "eight equal models, at least one called different": pd.DataFrame(
        families, ["adjusted", "pair by pair"]
    ).T,
}
for title, table in tables.items():
    print(f"\n{title}\n{table.round(3).to_string()}")
held = pd.concat(list(tables.values())[:2])
least = held.loc[held["effective"] >= 6, "coverage"].min()
most = tables["eight equal models, at least one called different"]["adjusted"].max()
print(f"\nlowest coverage {least:.3f}, most wrong verdicts {most:.3f}")
sys.exit(least < options.coverage or most > options.wrong)
