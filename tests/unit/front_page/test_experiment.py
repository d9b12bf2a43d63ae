"""What the front page takes from the tables of other analyses: the best model's rows, and no others."""

import math

import pandas as pd
import pytest

from radcbir.front_page.experiment import Circumstances, show_structures, split_block
from radcbir.front_page.standing import BEST, WORSE, Ranked, Standing
from radcbir.images.thumbnails import Thumbnails


def standing(asked=True):
    models = [
        Ranked(slug, slug.title(), False, share, math.nan, math.nan, math.nan, None, against, 0)
        for slug, share, against in (("net", 0.75, BEST), ("old", 0.5, WORSE))
    ]
    counted = (100, 0, 200, 5) if asked else (0, 0, 0, 0)
    return Standing("test", models, *counted, 0.2, 1.0, 60, 60.0, "patient", "series", asked)


def block(*tables, splits=(), asked=True, **named):
    known = Circumstances(query_splits=splits)
    here = standing(asked)
    return split_block(here, None, math.nan, known, Thumbnails({}, 16), *tables, **named)


CONFIDENCE = pd.DataFrame(
    [
        ("net", True, "right_of_surest_half", 0.9, 0.8, 0.95),
        ("net", True, "right", 0.7, 0.6, 0.8),
        ("net", False, "right_of_surest_half", 0.6, 0.5, 0.7),
        ("old", True, "right_of_surest_half", 0.4, 0.3, 0.5),
    ],
    columns=["model", "chosen", "measure", "value", "low", "high"],
)

GAPS = pd.DataFrame(
    [
        ("net", "test", "sex", 1, "F", 0.6, "M", 0.8, 0.2, "apart"),
        ("net", "test", "view", 1, "AP", 0.4, "PA", 0.9, 0.5, "undecided"),
        ("net", "test", "age_band", 1, "60-79", 0.5, "20-39", 0.6, 0.1, "apart"),
        ("net", "test", "source", 10, "x", 0.1, "y", 0.9, 0.8, "apart"),
        ("net", "val", "source", 1, "x", 0.1, "y", 0.9, 0.8, "apart"),
        ("old", "test", "source", 1, "x", 0.1, "y", 0.9, 0.8, "apart"),
    ],
    columns=[
        "model", "query_split", "attribute", "k", "worst", "worst_precision", "best", "best_precision", "gap", "verdict",
    ],
)  # fmt: skip


def test_the_surest_half_is_that_of_the_best_model_and_its_chosen_fit():
    assert block(CONFIDENCE)["text"].endswith(
        "Of the hits of Net that are called sure (the surest half), 90 of 100 are right "
        "(95 % interval 80 to 95)."
    )
    together = block(CONFIDENCE, splits=["test", "turned"])["text"]
    assert "(the surest half, of the query splits test and turned together), 90 of 100" in together
    nothing = pd.DataFrame([("net", False, None, math.nan, math.nan, math.nan)], columns=CONFIDENCE.columns)  # fmt: skip
    assert "surest" not in block(nothing)["text"]
    assert "surest" not in block()["text"]


@pytest.mark.parametrize(("verdict", "warned"), [("apart", True), ("undecided", False)])
def test_the_warning_is_of_the_largest_gap_that_is_more_than_chance(verdict, warned):
    gaps = GAPS.assign(verdict=GAPS["verdict"].where(GAPS["verdict"] != "apart", verdict))
    warnings = ["".join(text for text, _ in each) for each in block(gaps=gaps)["warnings"]]
    sentence = (
        "By sex, Net is right least often for F: for 60 of 100 queries, against 80 of 100 for M."
    )
    assert (sentence in warnings) == warned
    assert len(warnings) == len(block()["warnings"]) + warned


AREAS = pd.DataFrame(
    [
        ("net", "test", "blur", 0.75, 0.30, "less often", False),
        ("net", "test", "text", 0.75, 0.20, "less often", True),
        ("net", "test", "all", 0.75, 0.55, "less often", False),
        ("old", "test", "all", 0.9, 0.1, "less often", True),
    ],
    columns=["model", "query_split", "perturbation", "before_1", "precision_1", "verdict", "worst"],
)  # fmt: skip

SITES = pd.DataFrame(
    [
        ("net", "test", "source", 0.4, "the site"),
        ("net", "test", "scanner", 0.3, "the site"),
        ("net", "test", "view", 0.1, "undecided"),
        ("old", "test", "view", 0.1, "the site"),
    ],
    columns=["model", "query_split", "attribute", "robustness_index", "verdict"],
)


def warnings(**tables):
    return ["".join(text for text, _ in each) for each in block(**tables)["warnings"]]


def test_perturbed_queries_are_a_warning_where_they_find_less():
    sentence = (
        "When query images are perturbed, Net is right for 55 of 100 queries instead of 75 of 100; "
        "least often with burned-in text: for 20 of 100."
    )
    assert sentence in warnings(areas=AREAS)
    for other in (AREAS.assign(verdict="undecided"), AREAS[:0]):
        assert warnings(areas=other) == warnings()
    assert warnings(areas=AREAS.assign(query_split="val")) == warnings()


def test_neighbors_that_follow_a_site_are_a_warning():
    sentence = (
        "Neighbors of Net follow the scanner rather than the label: of those that share one of the two "
        "and not the other, 70 of 100 share the scanner."
    )
    assert sentence in warnings(sites=SITES)
    assert warnings(sites=SITES.assign(verdict="the label")) == warnings()


RECALL = pd.DataFrame(
    [("net", 0.5, 20), ("old", 0.8, 18)], columns=["model", "value", "queries"]
).assign(query_split="test", level="fine", k=1, low=0.4, high=0.9, chance=0.3, labels=7, effective_patients=40.0)  # fmt: skip

CARDS = {slug: {"name": slug.title(), "loader": "timm"} for slug in ("net", "old")}


def test_beside_precision_one_sentence_says_which_labels_are_shown():
    shown = block()
    before = shown["text"]
    show_structures(shown, standing(), RECALL, CARDS, 150, 300)
    assert shown["text"].startswith(before) and shown["measure"] == "precision"
    assert "the first result of Net shows 50 of 100" in shown["text"]
    assert (shown["queries"], shown["index_images"]) == (100, 200)
    warning = "".join(text for text, _ in shown["warnings"][0])
    assert warning == "100 of 150 queries have exactly one label. P@1 is of these alone."


def test_where_most_queries_have_several_labels_these_come_first():
    shown = block()
    show_structures(shown, standing(), RECALL, CARDS, 201, 300)
    assert shown["measure"] == "structures" and shown["text"].startswith("Old is first: of the lab")
    assert "100 queries have exactly one label: P@1, in the table of models" in shown["text"]
    assert shown["errors"] == [] and shown["ceiling"] is None


def test_without_a_query_of_one_label_the_models_are_ranked_by_the_labels_that_are_shown():
    shown = block(asked=False)
    assert shown["text"] == "Nothing can be measured: no query has exactly one label."
    assert not shown["warnings"]
    show_structures(shown, standing(asked=False), RECALL, CARDS, 20, 300)
    assert shown["measure"] == "structures" and shown["text"].startswith("Old is first: of the lab")
    assert [(each["name"], each["share"], each["lacking"]) for each in shown["rows"]] == [
        ("Old", 0.8, 2),
        ("Net", 0.5, 0),
    ]
    counts = [shown[each] for each in ("queries", "index_images", "classes", "chance")]
    assert counts == [20, 300, 7, 0.3]
