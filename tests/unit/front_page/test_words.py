"""What the front page says, on standings made by hand."""

import math

import pytest
from jinja2 import Environment

from radcbir.front_page import words
from radcbir.front_page.standing import BEST, UNDECIDED, UNKNOWN, WORSE, Ranked, Standing


def model(name, share, against, ends=None, control=False, ranks=(1, 1)):
    low, high = ends or (math.nan, math.nan)
    return Ranked(name.lower(), name, control, share, low, high, math.nan, ranks, against, 0)


def standing(*models, **changes):
    given = {
        "split": "test", "models": list(models), "queries": 371, "not_answerable": 2, "index_images": 471,
        "classes": 31, "chance": 0.04, "ceiling": 1.0, "patients": 60, "effective": 60.0, "unit": "patient",
    }  # fmt: skip
    return Standing(**given | changes)


def said(*models, **changes):
    return words.plain(words.verdict(standing(*models, **changes)))


NET = model("Net", 0.75, BEST, (0.68, 0.83))


def test_a_clear_winner():
    assert said(NET, model("Old", 0.5, WORSE), model("Thumb", 0.2, WORSE, control=True)) == (
        "Net is first: its nearest image is right for 75 of 100 queries (95 % interval 68 to 83). "
        "It is better than all 2 others."
    )
    assert said(NET, model("Old", 0.5, WORSE)).endswith("It is better than the other model.")


def test_series_and_studies_are_called_so():
    old = model("Old", 0.5, WORSE)
    assert said(NET, old, retrieved="series").startswith(
        "Net is first: its nearest series is right"
    )
    assert "their nearest study is right" in said(
        NET, model("Twin", 0.75, UNDECIDED), retrieved="study"
    )
    alone = words.plain([words.unknown_patients(standing(NET, unit="image", retrieved="study"))])
    assert alone.startswith("No patient is known. Each study without a patient counts as one. If several studies")  # fmt: skip
    few = standing(NET, unit="image", retrieved="series", patients=4, effective=4.0)
    assert "The queries come from 4 series:" in words.plain([words.few_patients(few)])
    missing = words.not_answerable(standing(NET, queries=10, not_answerable=5, retrieved="patient"))
    assert "have no index patient of their label" in words.plain([missing])


def test_the_surest_half_of_the_hits():
    assert words.plain([words.surest_half("Net", 0.756, 0.58, 0.87)]) == (
        "Of the hits of Net that are called sure (the surest half), 76 of 100 are right "
        "(95 % interval 58 to 87)."
    )
    assert words.plain([words.surest_half("Net", 1.0, math.nan, math.nan)]).endswith(
        "100 of 100 are right."
    )
    assert words.surest_half("Net", math.nan, math.nan, math.nan) is None


def test_the_surest_half_of_several_query_splits_names_them():
    assert words.plain([words.surest_half("Net", 0.756, 0.58, 0.87, ["val", "test"])]) == (
        "Of the hits of Net that are called sure (the surest half, of the query splits val and test "
        "together), 76 of 100 are right (95 % interval 58 to 87)."
    )
    one = [words.surest_half("Net", 0.756, 0.58, 0.87, each) for each in ([], ["test"])]
    assert one[0] == one[1]


def test_the_group_that_a_model_works_less_well_for():
    gap = {"attribute": "age_band", "worst": "60-79", "worst_precision": 0.61, "best": "20-39", "best_precision": 0.806}  # fmt: skip
    assert words.plain([words.largest_gap("Net", gap)]) == (
        "By age band, Net is right least often for 60-79: for 61 of 100 queries, against 81 of 100 "
        "for 20-39."
    )
    assert words.largest_gap("Net", None) is None


def test_a_winner_that_cannot_be_told_from_others_and_a_control():
    others = [model(f"N{each}", 0.7, UNDECIDED) for each in range(2)]
    control = model("Thumb", 0.69, UNDECIDED, control=True)
    assert said(NET, *others, control, model("Old", 0.1, WORSE)).endswith(
        "It cannot be told from N0 and N1, nor from the control Thumb, which learned nothing."
    )
    many = [model(f"N{each}", 0.7, UNDECIDED) for each in range(6)]
    assert said(NET, *many).endswith("It cannot be told from N0, N1, N2 and 3 other encoders.")
    assert said(NET, control).endswith(
        "It cannot be told from the control Thumb, which learned nothing."
    )
    two = [control, model("Gray", 0.6, UNDECIDED, control=True)]
    assert said(NET, *two).endswith("the controls Thumb and Gray, which learned nothing.")


def test_a_tie():
    assert said(NET, model("Twin", 0.75, BEST, (0.68, 0.83)), model("Old", 0.2, WORSE)) == (
        "Net and Twin are first: their nearest image is right for 75 of 100 queries (95 % interval "
        "68 to 83). They are better than the other model."
    )
    assert said(NET, model("Twin", 0.75, BEST)).endswith("No model is better than another one.")


def test_a_tie_with_a_control_says_so():
    twin = model("Thumb", 0.75, BEST, (0.68, 0.83), control=True)
    assert said(NET, twin, model("Old", 0.2, WORSE)) == (
        "Net and Thumb are first: their nearest image is right for 75 of 100 queries (95 % interval "
        "68 to 83). Thumb is a control and learned nothing. They are better than the other model."
    )


def test_a_control_that_wins():
    control = model("Thumb", 0.8, BEST, (0.7, 0.88), control=True)
    rest = (model("Net", 0.75, UNDECIDED, (0.6, 0.85)), model("Old", 0.5, WORSE))
    assert said(control, *rest) == (
        "A control is first: Thumb learned nothing, and its nearest image is right for 80 of 100 "
        "queries (95 % interval 70 to 88). It cannot be told from Net. The best encoder is Net, "
        "right for 75 of 100 queries (95 % interval 60 to 85)."
    )


def test_one_model():
    assert said(NET) == (
        "Net: the nearest image is right for 75 of 100 queries (95 % interval 68 to 83). One model "
        "was measured, so that there is nothing to compare."
    )


def test_too_few_patients_for_a_verdict():
    here = [model("Net", 0.75, BEST, ranks=None), model("Old", 0.3, UNKNOWN, ranks=None)]
    few = {"patients": 2, "effective": 1.8}
    assert said(*here, **few) == (
        "Net is first: its nearest image is right for 75 of 100 queries. Whether it would be first "
        "with other patients cannot be told."
    )
    warning = "".join(words.few_patients(standing(*here, **few)))
    assert warning.startswith(
        "The queries come from 2 patients (effectively 1.8, since some have more queries): with "
        "fewer than 6, which model is better cannot be told."
    )


def test_patients_that_are_few_many_unknown_or_not_counted():
    few = words.few_patients(standing(NET, patients=8, effective=8.0))
    assert "".join(few).startswith("The queries come from 8 patients: with fewer than 40,")
    assert words.few_patients(standing(NET)) is None
    assert words.unknown_patients(standing(NET)) is None
    unknown = words.unknown_patients(standing(NET, unit="image"))
    assert "".join(unknown).startswith("No patient is known.")
    without = words.few_patients(standing(NET, unit="", patients=0, effective=math.nan))
    assert "nobody knows whether the order is the same" in "".join(without)


def test_nothing_answerable_and_nothing_in_common():
    nothing = model("Net", math.nan, UNKNOWN, ranks=None)
    assert said(nothing, queries=0, not_answerable=9) == (
        "Nothing can be measured: no query has an index image of its label."
    )
    assert said(nothing, queries=0, not_answerable=0) == (
        "Nothing can be compared: no query was answered by all models."
    )


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0"), (0.001, "fewer than 1"), (0.754, "75"), (0.999, "more than 99"), (1, "100")],
)
def test_a_share_of_hundred_is_not_rounded_to_all_or_none(share, text):
    assert words.in_hundred(share) == text


def test_errors_and_warnings():
    assert words.plain([words.errors("Net", 0.957, 93)]).startswith(
        "Of the errors of Net, 96 of 100 show the right"
    )
    assert words.plain([words.errors("Net", math.nan, 0)]) == "Net makes no error."
    assert words.same_patient(0, 0.3, "Net") is None
    assert words.plain([words.same_patient(3, 0.123, "Net")]) == (
        "3 patients are both in the index and among the queries. Without neighbors of the query's "
        "own patient, Net is right for 12 of 100 queries fewer."
    )
    assert words.plain([words.same_patient(1, math.nan, "Net")]).startswith("1 patient is both")
    assert words.contaminated([]) is None
    assert "Net (NIH14)" in words.plain([words.contaminated([("Net", ["NIH14"])])])
    assert words.not_answerable(standing(NET)) is None
    assert words.plain(
        [words.not_answerable(standing(NET, queries=90, not_answerable=10))]
    ).startswith("10 of 100 queries have no index image")
    assert words.one_class(standing(NET)) is None
    assert words.one_class(standing(NET, classes=1)) is not None


def test_the_report_begins_with_the_verdicts_and_names_are_no_markup():
    block = {"split": "test", "text": "A *net* {{ 7 * 7 }} `x`_ is first."}
    fronts = [{"experiment": "one|two", "splits": [block]}]
    text = words.report_words(fronts, "**Introduction** {{ 'kept' }}")
    rendered = Environment().from_string(text).render()
    from docutils.core import publish_parts

    body = publish_parts(rendered, writer="html", settings_overrides={"report_level": 2})["body"]
    assert "A *net* {{ 7 * 7 }} `x`_ is first." in body
    assert "<strong>one|two</strong>" in body
    assert "<strong>Introduction</strong> kept" in body
