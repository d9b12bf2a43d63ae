"""Addresses as they may be printed."""

import pytest

from radcbir.core.text.addresses import hidden

SECRET = "s3cret"


@pytest.mark.parametrize(
    "address",
    [f"https://me:{SECRET}@host.org/a.zip", f"https://{SECRET}@host.org/a.zip", f"https://host.org/a.zip?token={SECRET}",
     f"https://host.org/a.zip#{SECRET}", f"see https://me:{SECRET}@host.org/a.zip, or ask"],
)  # fmt: skip
def test_no_secret_is_left_in_settings(address):
    found = hidden({"resources": [{"url": address, "size": 3}]})
    assert SECRET not in str(found) and "host.org/a.zip" in str(found)
    assert found["resources"][0]["size"] == 3


def test_other_queries_are_other_settings_and_other_passwords_are_not():
    assert hidden("https://h/a?id=1") != hidden("https://h/a?id=2")
    assert hidden("https://a:b@h/a?id=1") == hidden("https://c:d@h/a?id=1")


@pytest.mark.parametrize("plain", ["https://h.org/a.zip", "a: b", "", 3, None, "x@y"])
def test_what_has_no_secret_stays_as_it_is(plain):
    assert hidden([plain]) == [plain]
