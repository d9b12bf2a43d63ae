"""Intervals, p values and quantiles come from one place: ``radcbir.metrics.intervals``."""

import ast
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[3] / "workflow" / "radcbir"
HOME = LIBRARY / "metrics" / "intervals"
PACKAGES = ["metrics", "report", "analyses", "front_page", "query", "audit", "app"]

FORBIDDEN = {
    "stdtr", "stdtrit", "ndtr", "ndtri", "btdtr", "btdtri", "betainc", "betaincinv", "bdtr", "bdtri", "chdtr", "chdtri",
    "erfinv", "ppf", "isf", "sem", "bootstrap", "permutation_test", "wilcoxon", "mannwhitneyu", "ttest_1samp",
    "ttest_ind", "ttest_rel", "binomtest", "proportion_confint", "percentile", "quantile", "nanpercentile", "nanquantile",
    "multipletests", "false_discovery_control", "mcnemar",
}  # fmt: skip
"""Names of functions by which intervals and p values are computed."""

NUMBERS = {1.96, 1.959964, 1.645, 2.576, 0.025, 0.975}
"""Quantiles of the normal law, and the levels that they belong to."""

ALLOWED = {
    ("analyses/confidence/unlike.py", "percentile"): "a limit of scores, not of a figure",
    ("app/views/values.py", "percentile"): "the window of an image",
    ("analyses/uncertainty/compute.py", "bootstrap"): "the analysis's own name",
    ("analyses/gains/compute.py", "bootstrap"): "that of the analysis uncertainty",
}

MODULES = [
    path
    for package in PACKAGES
    for path in sorted((LIBRARY / package).rglob("*.py"))
    if HOME not in path.parents
]


def own_statistics(source: str) -> set[str]:
    """The forbidden names that a module imports, calls or defines, and the forbidden numbers."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(attr=name) | ast.Name(id=name) | ast.FunctionDef(name=name):
                found |= {name} & FORBIDDEN
            case ast.ImportFrom(names=names):
                found |= {each.name for each in names} & FORBIDDEN
            case ast.Constant(value=float(value)) if round(value, 6) in NUMBERS:
                found.add(str(value))
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(LIBRARY)))
def test_no_interval_and_no_p_value_is_computed_elsewhere(path):
    name = path.relative_to(LIBRARY).as_posix()
    allowed = {what for where, what in ALLOWED if where == name}
    assert own_statistics(path.read_text()) - allowed == set()


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\nlow = np.percentile(x, 5)",
        "from scipy.special import stdtrit",
        "half = 1.96 * error",
        "from scipy import stats\nstats.norm.ppf(level)",
        "def quantile(x): ...",
    ],
)
def test_the_search_finds_what_it_looks_for(source):
    assert own_statistics(source)


def test_what_is_allowed_is_there():
    for name, what in ALLOWED:
        assert what in own_statistics((LIBRARY / name).read_text())
