"""The sentence of the front page on adapted and reranked models."""

import pandas as pd

from radcbir.front_page.gains import best_gain
from radcbir.front_page.words import plain

CARDS = {"net": {"name": "Net"}, "lda": {"name": "Net, LDA"}, "qe": {"name": "Net, expanded"}}


def rows(*listed):
    columns = ["model", "difference", "verdict"]
    return pd.DataFrame(listed, columns=columns).assign(
        base="net", query_split="test", neighbors="all", metric="precision_at_1", left_out="label"
    )


def said(*listed, left_out=None, split="test"):
    return plain([best_gain(rows(*listed), left_out, CARDS, split)])


def test_the_largest_gain_that_is_more_than_chance_is_named():
    found = said(("lda", 0.123, "better"), ("qe", 0.3, "undecided"))
    assert found == "Net, LDA is right for 12 of 100 queries more than Net, which it is made from."


def test_what_is_left_for_new_labels_is_said_with_it():
    new = rows(("lda", -0.06, "worse"), ("qe", 0.4, "better"))
    found = said(("lda", 0.123, "better"), left_out=new)
    assert found.endswith("; for labels that were not in its fit, 6 of 100 queries fewer.")
    tiny = said(("lda", 0.123, "better"), left_out=rows(("lda", 0.001, "undecided")))
    assert tiny.endswith("not in its fit, fewer than 1 of 100 queries more.")


def test_no_gain_is_said_too():
    found = said(("lda", -0.1, "worse"), ("qe", 0.3, "undecided"))
    assert found == (
        "No adapted or reranked model is known to be better than the model that it is made from."
    )
    assert "too few patients to tell" in said(("lda", 0.5, "too few patients"))
