"""The words of the front page on queries that show several labels."""

import pandas as pd

from radcbir.front_page.structures import by_structures, structures_shown
from radcbir.front_page.words import plain

CARDS = {
    "net": {"name": "Net", "loader": "timm"},
    "old": {"name": "Old", "loader": "timm"},
    "gray": {"name": "gray", "loader": "control"},
}


def table(**values):
    rows = [
        {"model": model, "query_split": "test", "level": level, "k": k, "value": value - drop}
        for model, value in values.items()
        for level, k, drop in (("fine", 1, 0.0), ("fine", 3, -0.1), ("coarse", 1, -0.2))
    ]
    counts = {"labels": 12, "queries": 30, "effective_patients": 9.0}
    return pd.DataFrame(rows).assign(low=0.4, high=0.7, chance=0.25, **counts)


def test_the_best_model_is_named_with_interval_chance_and_number_of_labels():
    verdict, warnings, rows = by_structures(table(net=0.52, old=0.61), "test", CARDS, 0)
    assert plain(verdict) == (
        "Old is first: of the labels that a query shows, its first result shows 61 of 100 (95 % interval 40 "
        "to 70), by chance 25, as the mean over 12 labels. No query has exactly one label, so that "
        "there is no P@1. Whether another model would be first with other patients was not tested."
    )
    assert [each["name"] for each in rows] == ["Old", "Net"]
    assert "with fewer than" in plain(warnings) and "effectively 9.0 patients" in plain(warnings)


def test_equal_models_and_controls_are_called_so():
    alike, _, _ = by_structures(table(net=0.5, old=0.5), "test", CARDS, 0)
    assert plain(alike).startswith("Net and Old are first: of the labels that a query shows, their")
    control, _, _ = by_structures(table(net=0.5, gray=0.6), "test", CARDS, 0)
    assert plain(control).startswith("A control is first: gray learned nothing; of the labels")
    alone, _, _ = by_structures(table(net=0.5), "test", CARDS, 0)
    assert plain(alone).startswith("Net: of the labels that a query shows, its first result shows")


def test_where_nothing_is_shown_by_the_index_nothing_is_said():
    nothing = table(net=float("nan"))
    assert by_structures(nothing, "test", CARDS, 0) == ([], [], [])
    assert structures_shown(nothing, "test", "Net", "net") is None


def test_beside_precision_it_is_one_sentence_on_the_best_model():
    said = structures_shown(table(net=0.52, old=0.61), "test", "Net", "net")
    assert plain([said]) == (
        "Of the labels that a query shows, the first result of Net shows 52 of 100 (95 % interval 40 to 70), "
        "by chance 25, as the mean over 12 labels."
    )


def test_few_queries_of_one_label_are_counted():
    verdict, _, _ = by_structures(table(net=0.5), "test", CARDS, 10)
    assert "10 queries have exactly one label: P@1, in the table of models, is of" in plain(verdict)
