"""The table of models: what a reader sees of a card, and whether its weights are at hand."""

from pathlib import Path

import pytest

from radcbir.cards import model_card, model_list

ROOT = Path(__file__).parents[3]
CARDS = {
    path.stem: model_card.load_card(path)
    for path in sorted((ROOT / "config/models").glob("*.yaml"))
}


def row(slug, weights):
    return model_list.model_rows({slug: CARDS[slug]}, weights)[0]


def test_a_row_says_what_the_card_says(tmp_path):
    assert row("medsiglip-448", tmp_path) == {
        "model": "medsiglip-448", "name": "MedSigLIP 448", "family": "transformers", "dimension": "1152",
        "input": "448 px", "text": "yes", "licence": "Health AI Developer Foundations terms", "gated": "yes",
        "weights": "to fetch", "has seen": "MIMIC-CXR, perhaps others",
    }  # fmt: skip
    assert row("rad-dino", tmp_path)["has seen"] == "NIH14, CheXpert, MIMIC-CXR"
    assert row("vit-b16-in21k", tmp_path)["has seen"] == "none known"
    assert [row(each, tmp_path)["weights"] for each in ("thumbnail", "radimagenet-resnet50")] == [
        "none",
        "by hand",
    ]


def test_weights_are_at_hand_when_all_files_are(tmp_path):
    files = list(model_card.weights_files(CARDS["biomedclip-vitb16"]))
    assert "text/config.json" in files
    for count, name in enumerate(files):
        expected = f"{count} of {len(files)} here" if count else "to fetch"
        assert row("biomedclip-vitb16", tmp_path)["weights"] == expected
        (tmp_path / "biomedclip-vitb16" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "biomedclip-vitb16" / name).touch()
    assert row("biomedclip-vitb16", tmp_path)["weights"] == "here"


def test_the_docs_have_the_table_of_today():
    listed = {slug: card for slug, card in CARDS.items() if model_card.weights_files(card)}
    table = model_list.as_markdown(model_list.model_rows(listed, "nowhere"))
    assert table in (ROOT / "docs/models.md").read_text(), f"put this into docs/models.md:\n{table}"


def test_columns_are_aligned(tmp_path):
    lines = model_list.as_text(model_list.model_rows(CARDS, tmp_path)).splitlines()
    start = lines[0].index("family")
    assert all(
        line[start - 1] == " " != line[start] for line in [lines[0], *lines[2 : 2 + len(CARDS)]]
    )


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (224, "224 px"),
        ([1520, 912], "1520 x 912 px"),
        ([224, 224, 160], "224 x 224 x 160"),
        (None, "any"),
    ],
)
def test_the_input_of_images_is_in_pixels_height_first(size, text):
    assert model_list.input_size(size) == text
