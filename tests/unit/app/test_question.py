"""What the page may send: each mistake is one sentence, whatever it is."""

import json

import pytest
from odd_values import odd_copies

from radcbir.app.question import (
    Item,
    Question,
    file_name,
    image_id,
    match_question,
    parse_json,
    preview_question,
    search_question,
)
from radcbir.core.errors import InputError

ONE = {"experiment": "x", "models": ["m"], "items": [{"kind": "upload", "file": 0}]}


def asked(**changes):
    return search_question(ONE | changes, 1)


def test_a_whole_question_becomes_what_the_engine_takes():
    given = {
        "experiment": "x",
        "models": ["a", "b", "a"][:2],
        "items": [
            {
                "kind": "upload",
                "file": 1,
                "crop": [0, 0.25, 1, 1],
                "part": {"axial": 3, "volume": 1},
            },
            {"kind": "image", "id": "-9223372036854775808", "crop": [0, 0, 1, 1], "slices": [0, 4]},
            {"kind": "text", "text": " a\n b "},
        ],
        "right": ["9223372036854775807"],
        "wrong": [],
        "filters": {"label": ["l"], "region": []},
        "k": 200,
        "fold": 1,
        "per_patient": True,
        "place": True,
        "read_as": "",
    }
    assert search_question(parse_json(json.dumps(given)), 2) == Question(
        experiment="x",
        models=("a", "b"),
        items=(
            Item("upload", file=1, crop=(0, 0.25, 1, 1), part={"axial": 3, "volume": 1}),
            Item("image", id=-(2**63), slices=(0, 4)),
            Item("text", text="a b"),
        ),
        right=(2**63 - 1,),
        filters={"label": ("l",)},
        k=200,
        fold=1.0,
        per_patient=True,
        place=True,
    )


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "3", '"text"', "{", '{"k": NaN}', '{"k": -Infinity}', "{\'k\': 1}",
        "[" * 20_000 + "]" * 20_000, '{"a":' * 20_000 + "1" + "}" * 20_000,
        '{"k": ' + "9" * 5000 + "}", r'{"experiment": "\ud800"}', r'{"\udfff": 1}',
    ],
    ids=lambda text: text[:24],
)  # fmt: skip
def test_what_is_no_question_at_all_is_refused(text):
    with pytest.raises(InputError, match="is not of the page's form: reload the page"):
        parse_json(text)


NAMES = [None, "", 3, 2.5, True, [], ["x"], {}, "x" * 501]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *(({"experiment": each}, "the experiment is named by") for each in NAMES),
        *(({"models": [each]}, "a model is named by") for each in NAMES),
        *(({"read_as": each}, "the dataset to read uploads as is named by") for each in NAMES if each),
        *(({"models": each}, "choose one model, or two") for each in (None, [], "m", {}, ["a"] * 3, 3)),
        *(({"items": each}, "the query is empty") for each in (None, [], "", 0, {})),
        ({"items": [ONE["items"][0]] * 129}, "the query has 129 items: take 128 at most"),
        *(({"items": [each]}, "of an unknown kind") for each in (None, 3, "upload", [], {}, {"kind": []}, {"kind": "file"})),
        *(({"items": [{"kind": "upload", "file": each}]}, "did not arrive") for each in (None, 1, -1, 0.0, True, "0", [0])),
        *(({"items": [{"kind": "image", "id": each}]}, "is no id") for each in (None, 5, 5.0, "", "x", "5 ", "٣", "1e3", "9" * 19, "9" * 5000, ["5"], {})),
        *(({"items": [{"kind": "image", "id": "5", "slices": each}]}, "do not go from a first to a last one") for each in ([], [1], [2, 1], [-1, 1], [0, 1.0], [True, 1], "01", {}, [0, 10**9])),
        *(({"place": each}, "the order by the best place is switched by true or false") for each in (None, 1, "yes", [])),
        *(({"right": each}, "mark 1000 images at most") for each in (3, "5", {}, ["5"] * 1001)),
        *(({"wrong": [each]}, "is no id") for each in (3, None, [], "x")),
        *(({"items": [{"kind": "text", "text": each}]}, "the text is empty") for each in (None, 3, [], " \n")),
        ({"items": [{"kind": "text", "text": "x" * 1001}]}, "the text has 1001 characters"),
        *(({"filters": each}, "the filters are not of the page's form") for each in (3, [], {"label": "x"}, {"label": [3]}, {"label": ["x"] * 1001}, {"label": {}})),
        *(({"k": each}, "choose a whole number from 1 to 200") for each in (None, 0, 201, 2.0, True, "3", [3], {}, 10**400)),
        *(({"fold": each}, "a similarity between 0 and 1") for each in (0, 1.1, -1, True, "0.9", [], 10**400, float("inf"))),
        *(({"items": [ONE["items"][0] | {"crop": each}]}, "the region is not within the image") for each in (3, [], [0, 0, 1], [0, 0, 0, 1], [0.5, 0, 0.2, 1], [0, 0, 1, 1.1], [0, 0, 1, None], [0, 0, 1, "1"], [0, 0, True, 1], [0, 0, 1, 10**400], {})),
        *(({"items": [ONE["items"][0] | {"part": each}]}, "the part of the file is not") for each in (3, [], "axial", {"axial": "3"}, {"axial": -1}, {"axial": 1.0}, {"axial": 10**9}, {"slice": 3})),
        *(({"per_patient": each}, "one result per patient is switched by true or false") for each in (None, 0, 1, "true", [])),
        ({"part": {"axial": 1, "coronal": 2}}, "choose one slice or frame"),
        ({"<b>\n": 1}, "an unknown key '<b>': reload the page"),
    ],
)  # fmt: skip
def test_what_is_not_of_its_kind_is_said_in_one_sentence(change, message):
    with pytest.raises(InputError, match=message) as caught:
        asked(**change)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_a_match_needs_its_image_and_a_preview_its_file():
    with pytest.raises(InputError, match="is no id"):
        match_question(ONE, 1)
    assert match_question(ONE | {"id": "7"}, 1).id == 7
    with pytest.raises(InputError, match="no file came: choose an image"):
        preview_question({"experiment": "x"}, 0)
    assert preview_question({"experiment": "x", "part": {"frame": 2}}, 1).part == {"frame": 2}


def test_names_of_files_are_short_and_of_one_line_and_keep_their_end():
    assert file_name("a\r\n\x00b\u202e.png") == "a b .png"
    assert file_name(None) == file_name("\n") == "image"
    long = file_name("x" * 5000 + ".nii.gz")
    assert len(long) < 100
    assert long.endswith(".nii.gz")


def test_ids_are_text_of_digits():
    assert image_id("12") == 12
    with pytest.raises(InputError):
        image_id("1_2")


def test_damaged_questions_are_taken_or_refused_in_a_sentence():
    whole = {
        "experiment": "x",
        "models": ["a", "b"],
        "items": [
            {"kind": "upload", "file": 0, "crop": [0, 0.25, 1, 1], "part": {"axial": 3}},
            {"kind": "image", "id": "12"},
            {"kind": "text", "text": "a"},
        ],
        "right": ["9"],
        "wrong": ["8"],
        "filters": {"label": ["l"]},
        "k": 20,
        "fold": 0.9,
        "read_as": "",
    }
    refused = 0
    for given in odd_copies(whole, 600):
        for read in (search_question, match_question, preview_question):
            try:
                read(given, 1)
            except InputError as error:
                assert "\n" not in str(error) and str(error).encode() and len(str(error)) < 400
                refused += 1
    assert refused > 300
