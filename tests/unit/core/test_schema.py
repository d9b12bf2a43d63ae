"""Configurations and cards with numbers that no limit catches."""

import json

import pytest
import yaml

from radcbir.core.errors import InputError
from radcbir.core.schema import validate

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "share": {"type": "number", "minimum": 0, "maximum": 1},
        "mean": {"type": "array", "items": {"type": "number"}},
        "columns": {
            "type": "object",
            "additionalProperties": False,
            "patternProperties": {"^[^/]+/[^/]+/.+$": {"type": "string"}},
            "properties": {"label": {"type": "string"}},
        },
    },
}


@pytest.fixture
def check(tmp_path):
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))

    def check(text):
        validate(yaml.safe_load(text), tmp_path / "schema.json", "my.yaml")

    return check


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("share: .nan", "my.yaml: `share` is nan, which is no finite number: give a number"),
        ("mean: [0.5, .inf, -.Inf]", "`mean: 1` is inf, `mean: 2` is -inf, which is no finite"),
        ("x: &a [.nan]\ny: *a", "`[xy]: 0` is nan"),
        ("share: 1.5", "`share` is more than 1"),
        ("columns: {XR/a/b: x, labell: y}", "unknown key `labell` under `columns:`: did you mean"),
    ],
)
def test_a_number_that_is_none_is_named_with_its_key(check, text, sentence):
    with pytest.raises(InputError, match=sentence):
        check(text)


def test_finite_numbers_and_label_columns_pass(check):
    check("{share: 1.0, mean: [0, 0.001], columns: {label: a, XR/chest/Edema: b}}")
