"""YAML of a user: mistakes are told with file and line."""

import pytest

from radcbir.core.errors import InputError
from radcbir.core.text.yaml_file import read_yaml

FAULTY = {
    "an open bracket": ("a:\n  b: {c: 1\nd: 2\n", r"line 3, column 2: while parsing a flow mapping"),
    "a tab": ("a:\n\tb: 1\n", r"line 2, column 1: .*cannot start any token"),
    "a key twice": ("models: [a]\nk: 1\nmodels: [b]\n", r"gives the key `models` twice, in line 1 and in line 3"),
    "a key twice, deep": ("a:\n  - {b: {c: 1, c: 2}}\n", r"gives the key `a: b: c` twice, in line 2 and in line 2"),
    "text and number alike": ("a: {1: x, \"1\": y, 1: z}\n", r"`a: 1` twice"),
    "an object of Python": ("a: !!python/object/apply:os.system [ls]\n", r"line 1.*could not determine a constructor"),
    "an unknown alias": ("a: *b\n", r"line 1, column 4: found undefined alias"),
    "a date that does not exist": ("a: 2024-02-31\n", "is not valid YAML: day "),
    "deep": ("[" * 5000, "is nested too deeply"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTY)
def test_faulty_yaml_is_one_sentence_with_its_line(tmp_path, case):
    text, message = FAULTY[case]
    (tmp_path / "my.yaml").write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read_yaml(tmp_path / "my.yaml", "the configuration")
    assert str(error.value).startswith(f"the configuration {tmp_path}/my.yaml ")
    assert "\n" not in str(error.value)


def test_all_repeated_keys_are_told_at_once(tmp_path):
    (tmp_path / "my.yaml").write_text("a: 1\na: 2\nb: {c: 1, c: 1}\n")
    with pytest.raises(InputError) as error:
        read_yaml(tmp_path / "my.yaml", "it")
    assert len(error.value.sentences) == 2


def test_sound_yaml_is_read_with_merges_and_aliases(tmp_path):
    (tmp_path / "my.yaml").write_text(
        "a: &x {k: 1}\nb: {<<: *x, k: 2}\nc: &y [*x, {d: 1}, {d: 1}]\n"
    )
    found = read_yaml(tmp_path / "my.yaml", "it")
    assert found == {"a": {"k": 1}, "b": {"k": 2}, "c": [{"k": 1}, {"d": 1}, {"d": 1}]}
