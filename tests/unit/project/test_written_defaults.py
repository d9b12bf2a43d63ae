"""What config/config.yaml says of defaults is what the schema has."""

import re
from pathlib import Path

import pytest
import yaml

from radcbir.project.checks import with_defaults
from radcbir.project.configuration import config_schema

TEXT = (Path(__file__).parents[3] / "config/config.yaml").read_text()
GIVEN = yaml.safe_load(TEXT)
PROPERTIES = config_schema()["properties"]
OF_THE_DEMO = {"datasets", "models", "experiments", "analyses"}
"""What the demo is: keys without defaults, and the list of all analyses."""


@pytest.mark.parametrize("key", [each for each in GIVEN if each not in OF_THE_DEMO])
def test_values_that_repeat_a_default_are_the_default(key):
    default = with_defaults({key: PROPERTIES[key]["default"]}, {"properties": PROPERTIES})[key]
    assert GIVEN[key] == default


def defaults_of(name: str, schema: dict) -> list:
    """The defaults of a key, wherever the schema has it."""
    found = [schema[name]["default"]] if "default" in schema.get(name, {}) else []
    for each in schema.values():
        if isinstance(each, dict):
            found += defaults_of(name, each)
    return found


def test_defaults_in_the_comments_are_those_of_the_schema():
    comments = re.sub(r"\n#", "", "\n".join(re.findall(r"^# .*$", TEXT, flags=re.MULTILINE)))
    said = re.findall(r"^#   (\w+) .*\(default ([\d.]+)\)$", TEXT, flags=re.MULTILINE)
    said += re.findall(r"`(\w+)`(?:(?!`|\(default).)*\(default ([\d.]+)\)", comments)
    assert {"k", "max_rejected"} <= {name for name, _ in said}
    for name, value in said:
        assert float(value) in defaults_of(name, PROPERTIES), name
    low, high = re.search(r"or percentiles ([\d.]+) to ([\d.]+\d)", comments).groups()
    assert ([float(low)], [float(high)]) == (
        defaults_of("low", PROPERTIES),
        defaults_of("high", PROPERTIES),
    )
