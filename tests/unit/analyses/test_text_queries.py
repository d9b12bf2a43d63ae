"""Prompts, label vectors of a toy encoder, zero-shot classification and retrieval by text, by
hand."""

import numpy as np
import pandas as pd
import pytest

from radcbir.analyses.text_queries.compute import evaluate_texts, text_retrieval, zero_shot
from radcbir.analyses.text_queries.page import page_rows
from radcbir.core.errors import InputError
from radcbir.embedding import prompts
from radcbir.embedding.texts import label_vectors

LABELS = np.array(["CT/brain/normal", "XR/chest/edema", "XR/chest/normal"], dtype=object)


def at(*degrees):
    radians = np.deg2rad(degrees)
    return np.column_stack([np.cos(radians), np.sin(radians)]).astype(np.float32)


def write(folder, text):
    (folder / "prompts.yaml").write_text(text)
    return folder / "prompts.yaml"


def test_labels_are_worded_by_templates_words_and_their_own(tmp_path):
    settings = prompts.load_prompts(
        write(
            tmp_path,
            'templates: ["{finding} in {modality} of the {region}", "{region}"]\n'
            "words: {XR: X-ray, normal: nothing}\n"
            'labels: {XR/chest/normal: ["a healthy {region}"]}\n',
        )
    )
    table = prompts.prompts_of_labels(["XR/chest/normal", "CT/brain_stem/a/b"], settings)
    assert table.values.tolist() == [
        ["CT/brain_stem/a/b", "a/b in CT of the brain stem"],
        ["CT/brain_stem/a/b", "brain stem"],
        ["XR/chest/normal", "a healthy chest"],
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "template: [x]",
            "unknown key `template`: did you mean `templates`?|the key `templates` is missing",
        ),
        ("templates: []", "`templates` is empty"),
        (
            'templates: ["{organ}"]',
            "{organ} in the template '{organ}': use {modality}, {region}, {finding}",
        ),
        ('templates: ["{region"]', "close each brace"),
        ('templates: [x]\nlabels: {a/b/c: ["{x}"]}', "`a/b/c` has {x}"),
        ("templates: [x", "not valid YAML"),
        ("", "the file is empty"),
    ],
)
def test_wrong_prompts_are_named(tmp_path, text, message):
    with pytest.raises(InputError) as caught:
        prompts.load_prompts(write(tmp_path, text))
    assert any(each in str(caught.value) for each in message.split("|")), caught.value
    assert "prompts.yaml" in str(caught.value)


def test_the_prompts_of_the_repository_word_every_label():
    from radcbir.project.configuration import CONFIG_SCHEMA

    settings = prompts.load_prompts(CONFIG_SCHEMA.parents[2] / "config" / "prompts.yaml")
    table = prompts.prompts_of_labels(["MR/head/axial_3"], settings)
    assert table["prompt"].iloc[0] == "MRI scan of the head showing axial 3" and len(table) == 3


class Angles:
    """A toy text tower: a text is a number of degrees; long vectors count no more than short
    ones."""

    def encode_text(self, texts):
        return at(*map(float, texts)) * (1 + np.arange(len(texts)))[:, None]


def test_a_label_is_the_mean_of_its_prompts():
    names, vectors = label_vectors(Angles(), ["b", "b", "a"], ["0", "90", "200"])
    assert names == ["b", "a"]
    np.testing.assert_allclose(vectors, at(45, 200), atol=1e-6)
    with pytest.raises(ValueError, match="zero or not finite"):
        label_vectors(Angles(), ["a", "b"], ["0", "nan"])


def test_zero_shot_by_hand():
    truth = np.array(
        ["CT/brain/normal", "CT/brain/normal", "CT/brain/normal", "XR/chest/edema"], dtype=object
    )
    # texts at 0, 90 and 180 degrees; images nearest to text 0, 0, 1 and 2
    summary, by_label = zero_shot(at(10, 20, 80, 170), truth, LABELS, at(0, 90, 180))
    values = summary.set_index(["metric", "average"])["value"]
    assert values["accuracy", "micro"] == 0.5
    assert values["accuracy", "macro"] == pytest.approx((2 / 3 + 0) / 2)
    assert values["top_5_accuracy", "micro"] == 1, "there are three labels only"
    assert summary["classes"].unique().tolist() == [2]
    by_label = by_label.set_index("label")
    assert by_label["images"].tolist() == [3, 1, 0] and by_label["predicted"].tolist() == [2, 1, 1]
    assert by_label.loc["CT/brain/normal", ["recall", "precision"]].tolist() == [2 / 3, 1]
    assert np.isnan(by_label.loc["XR/chest/normal", "recall"]), "no image has it"


def test_retrieval_by_text_by_hand():
    truth = np.array(
        ["XR/chest/edema", "CT/brain/normal", "XR/chest/edema", "CT/brain/normal"], dtype=object
    )
    ids = np.array([40, 30, 20, 10])
    summary, by_label, found = text_retrieval(
        ids, at(0, 10, 90, 10), truth, LABELS, at(0, 90, 180), 3
    )
    first = found.groupby("label")["neighbor"].apply(list)
    assert first["CT/brain/normal"] == [40, 10, 30], "images that tie come by id"
    assert first["XR/chest/edema"] == [20, 10, 30]
    by_label = by_label.set_index("label")
    assert by_label["precision_at_1"].tolist()[:2] == [0, 1] and np.isnan(
        by_label["precision_at_1"].iloc[2]
    )
    assert by_label.loc["CT/brain/normal", "average_precision"] == pytest.approx(
        (1 / 2 + 2 / 3) / 2
    )
    assert by_label.loc["XR/chest/edema", "precision_at_5"] == 0.5, (
        "one of its two images is among the first three"
    )
    values = summary.set_index("metric")
    assert (
        values.loc["precision_at_1", "value"] == 0.5 and values.loc["precision_at_1", "count"] == 2
    )


def test_images_that_the_catalog_lacks_take_no_part():
    catalog = pd.DataFrame(
        {"id": [1, 2, 3], "label": ["a", "b", "a"], "split": ["train", "train", "test"]}
    )
    labels = np.array(["a", "b"], dtype=object)
    evaluation = evaluate_texts(
        catalog, np.array([1, 2, 3, 9]), at(0, 90, 5, 1), labels, at(0, 90), "train", ["test"], 10
    )
    assert evaluation.found.groupby("label")["neighbor"].apply(list).to_dict() == {
        "a": [1, 2],
        "b": [2, 1],
    }
    assert evaluation.zero_shot[["query_split", "label", "images"]].values.tolist() == [
        ["test", "a", 1]
    ]
    kept = evaluation.summary.assign(model="net")
    kept.loc[kept["metric"] == "precision_at_10", "value"] = np.nan
    (split,) = page_rows(kept, {"net": "Net"})
    assert split["name"] == "test" and [cell["text"] for cell in split["rows"][0]["cells"]][:2] == [
        "1.000",
        "1.000",
    ]
    assert split["rows"][0]["cells"][4] == {"value": None, "text": "", "best": False}, (
        "a k beyond the lists"
    )
