"""Which model the page begins with."""

import pytest

from radcbir.app.inventory import default_model, first_choice


def model(slug, p_at_1=None, **more):
    return {
        "slug": slug,
        "p_at_1": p_at_1,
        "control": False,
        "missing": "",
        "no_encoder": "",
    } | more


BEST = model("best", 0.8)


@pytest.mark.parametrize(
    ("models", "wanted"),
    [
        ([model("good", 0.7), BEST], "best"),
        ([model("new"), BEST], "best"),
        ([model("new"), model("newer")], "new"),  # no benchmark yet: the first one
        ([model("thumbnail", 0.9, control=True), BEST], "best"),
        ([model("thumbnail", 0.6, control=True), model("pixels", 0.9, control=True)], "pixels"),
        ([model("elsewhere", 0.9, no_encoder="made elsewhere"), BEST], "best"),
        ([model("elsewhere", 0.9, no_encoder="made elsewhere")], "elsewhere"),
        ([model("elsewhere", 0.2, no_encoder="x"), model("pixels", 0.9, control=True)], "elsewhere"),
        ([model("gone", 0.9, missing="no index yet"), BEST], "best"),
        ([model("gone", 0.9, missing="no index yet")], ""),
        ([], ""),
    ],
)  # fmt: skip
def test_the_best_encoder_that_can_be_asked_is_chosen(models, wanted):
    assert default_model(models) == wanted


def test_the_page_begins_with_the_first_experiment_that_can_be_asked():
    experiments = [
        {"name": "new", "missing": "run it"},
        {"name": "empty", "default": ""},
        {"name": "ready", "default": "best"},
    ]
    assert first_choice(experiments) == ("ready", "best")
    assert first_choice(experiments[:2]) is None
