"""Uncertainty, levels, index size and the table of models of one run, and what asking for them
makes stale."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from conftest import Project
from figure_texts import figures_unfit_for_print

EXPERIMENT = "results/experiments/findings"
NEW = ["uncertainty", "levels", "index_size"]


@pytest.fixture(scope="module")
def analysed(finished, tmp_path_factory):
    """The finished project, once more with the three analyses."""
    project = Project(tmp_path_factory.mktemp("analysed") / "project")
    shutil.copytree(finished.folder, project.folder, copy_function=shutil.copy2, symlinks=True)
    project.settings = {
        "bootstrap": {"resamples": 200, "seed": 3},
        "index_size": {"shares": [0.25, 0.5], "seeds": 2},
    }
    project.configure(analyses=["gallery", *NEW], **project.settings)
    project.jobs = project.run()
    return project


def table(project, path):
    return pd.read_csv(project / EXPERIMENT / path)


def test_only_the_new_tables_and_the_table_of_models_are_made(analysed):
    # `bounds` was made for the table of models before; two models, one experiment. The provenance
    # page shows the settings.
    assert dict(analysed.jobs) == {
        "uncertainty": 1, "uncertainty_summary": 1, "levels": 2, "levels_summary": 1, "index_size": 2,
        "index_size_summary": 1, "model_table": 1, "front_experiment": 1, "front_page": 1, "provenance": 1,
    }  # fmt: skip


def test_intervals_belong_to_the_figures_of_the_comparison(analysed):
    intervals, summary = (
        table(analysed, "uncertainty/intervals.csv"),
        table(analysed, "comparison/summary.csv"),
    )
    keys = ["model", "query_split", "neighbors", "metric", "average"]
    both = intervals.merge(summary, on=keys, suffixes=("", "_summary"))
    assert len(intervals) == 2 * 2 * 2 * 11 * 2  # models, splits, variants, metrics, averages
    there = set(summary["metric"])  # k is 5: no metric that needs more neighbors
    assert len(both) == intervals["metric"].isin(there).sum() > 80
    assert intervals.loc[~intervals["metric"].isin(there), "value"].isna().all()
    np.testing.assert_allclose(both["value"], both["value_summary"], atol=1e-12)
    known = both[both["value"].notna()]
    assert (
        len(known) > 100
        and (known["resampled"] == "patient").all()
        and (known["clusters"] == 2).all()
    )
    assert known[["low", "high"]].isna().all(axis=None), "two patients are too few for an interval"
    assert (known["caution"] == "no interval").all()
    ranks = table(analysed, "uncertainty/ranks.csv").dropna(subset=["first"])
    np.testing.assert_allclose(ranks.groupby(keys[1:])["first"].sum(), 1)


def test_the_table_of_models_shows_intervals_floor_and_ceiling(analysed, finished):
    page = (analysed / EXPERIMENT / "comparison/models.html").read_text()
    assert "2 patients: with fewer than 3 there is no interval" in page
    assert 'class="interval"' not in page
    without = (finished / EXPERIMENT / "comparison/models.html").read_text()
    assert "there is no interval" not in without
    bounds = table(analysed, "comparison/bounds.csv")
    chance = bounds[
        (bounds["model"] == "chance")
        & (bounds["metric"] == "precision_at_1")
        & (bounds["neighbors"] == "all")
    ]
    assert chance["value"].tolist() == pytest.approx([0.25] * 4, abs=0.01), "four labels in turn"
    for text in (page, without):
        assert (
            "floor (random neighbors)" in text
            and "ceiling (label oracle)" in text
            and "0.250" in text
        )


def test_the_front_page_says_what_the_tables_say(analysed):
    text = (analysed / "results/index.html").read_text()
    summary, ranks = table(analysed, "comparison/summary.csv"), []
    for split in ("val", "test"):
        of = summary["query_split"].eq(split) & summary["neighbors"].eq("all")
        of &= summary["metric"].eq("precision_at_1") & summary["average"].eq("micro")
        ranks.append(summary[of].sort_values("common_value", ascending=False, kind="stable"))
    front = json.loads((analysed / EXPERIMENT / "front.json").read_text())
    shown = {block["split"]: block for block in front["splits"]}
    assert list(shown) == ["test"], "`val` chooses settings"
    best = ranks[1].iloc[0]
    assert [each["share"] for each in shown["test"]["rows"]] == ranks[1]["common_value"].tolist()
    assert shown["test"]["queries"] == best["common_queries"]
    assert f"{100 * best['common_value']:.0f} of 100 queries" in text
    assert "2 patients" in text and "cannot be told" in text
    per_query = pd.read_parquet(analysed / EXPERIMENT / best["model"] / "metrics/per_query.parquet")
    wrong = per_query.query("query_split == 'test' and neighbors == 'all' and precision_at_1 == 0")
    assert shown["test"]["error_count"] == len(wrong)
    assert sum(each["count"] for each in shown["test"]["errors"]) <= len(wrong)
    assert len(front["thumbnails"]) >= bool(len(wrong))
    links = re.findall(r'href="([^"#:]+)"', text)
    assert len(links) > 15
    for link in links:
        assert (analysed / "results" / link).is_file(), link
    assert "http://" not in text and "https://" not in text, "it opens without network"


def test_levels_agree_with_the_comparison(analysed):
    levels, summary = (
        table(analysed, "levels/precision.csv"),
        table(analysed, "comparison/precision.csv"),
    )
    keys = ["model", "query_split", "neighbors", "definition", "average", "k"]
    both = levels[levels["level"] == "label"].merge(summary, on=keys, suffixes=("", "_summary"))
    assert len(both) == len(summary)
    np.testing.assert_allclose(both["value"], both["value_summary"], atol=1e-14)
    conditional = table(analysed, "levels/conditional.csv")
    asked = conditional[
        (conditional["group"] == "all") & (conditional["condition"] == "within_region")
    ]
    assert asked["chance"].dropna().between(0.4, 0.6).all(), "two shapes per region"
    outcomes = table(analysed, "levels/outcomes.csv")
    groups = outcomes.groupby(["model", "query_split", "neighbors", "group", "k"])["share"].sum()
    np.testing.assert_allclose(groups, 1)


def test_the_whole_index_gives_the_figures_of_the_comparison(analysed):
    parts, summary = (
        table(analysed, "index_size/index_size.csv"),
        table(analysed, "comparison/summary.csv"),
    )
    whole = parts[(parts["share"] == 1) & (parts["counting"] == "all")]
    keys = ["model", "query_split", "neighbors", "metric", "average"]
    both = whole.merge(summary, on=keys, suffixes=("", "_summary"))
    there = whole["metric"].isin(summary["metric"])  # k is 5: no P@10
    assert len(both) == there.sum() > 0 and both["value"].notna().any()
    assert whole.loc[~there, "value"].isna().all()
    np.testing.assert_allclose(both["value"], both["value_summary"], atol=1e-14)
    assert set(parts["share"]) == {0.25, 0.5, 1}
    assert (parts[parts["share"] == 0.25]["patients"] == 1).all(), "a quarter of four patients"


def test_asking_no_more_for_intervals_renews_the_table_of_models_alone(analysed):
    assert not analysed.run()
    analysed.configure(analyses=["gallery"], **analysed.settings)
    expected = {"model_table": 1, "front_experiment": 1, "front_page": 1, "provenance": 1}
    assert dict(analysed.run()) == expected
    assert 'class="interval"' not in (analysed / EXPERIMENT / "comparison/models.html").read_text()
    assert not analysed.run()


def test_figures_can_be_printed(analysed):
    assert figures_unfit_for_print(analysed / "results") == {}
