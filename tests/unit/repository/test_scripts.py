"""Scripts against the rules that run them."""

import re

import loaded_workflow
import pytest

GENERAL = {"get", "items"}


@pytest.mark.parametrize("name", sorted(loaded_workflow.rules()))
def test_a_script_uses_names_that_its_rule_has(name):
    rule = loaded_workflow.rules()[name]
    script = loaded_workflow.script_of(rule).read_text()
    for kind in ("input", "output", "params", "resources"):
        used = set(re.findall(rf"\bsnakemake\.{kind}\.(\w+)", script)) - GENERAL
        assert used <= set(getattr(rule, kind).keys()), (name, kind)


@pytest.mark.parametrize("name", sorted(loaded_workflow.rules()))
def test_a_script_is_short(name):
    script = loaded_workflow.script_of(loaded_workflow.rules()[name])
    assert len(script.read_text().splitlines()) <= 75, f"{script}: move code into the library"
