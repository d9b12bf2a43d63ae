"""torch.compile in place of torch's operations one by one: the same vectors, compiled once for
batches of every size."""

import shutil

import numpy as np
import pytest
import torch
from tiny_networks import TINY, encode, noise

from radcbir.core.errors import InputError
from radcbir.encoders import load_encoder

INSIDE = TINY | {"pooling": "inside", "preprocessing": TINY["preprocessing"] | {"resize": "corner"}}


@pytest.fixture(autouse=True)
def anew(tmp_path, monkeypatch):
    """Nothing that was compiled before, in this process or in another."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    torch._dynamo.reset()


def graphs() -> int:
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
@pytest.mark.parametrize("card", [TINY, INSIDE], ids=["pooled", "part of the square"])
def test_the_vectors_are_those_of_torch(card):
    images = [noise(number) for number in range(7)]
    expected = encode(load_encoder("tiny", card, None, "cpu"), images)
    encoder = load_encoder("tiny", card, None, "cpu", "torch-compile")
    before = graphs()
    assert before
    found = encode(encoder, images)
    assert (
        found.dtype == np.float32
        and np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
    )
    assert (encode(encoder, images) == found).all(), "the same twice"
    np.testing.assert_allclose(
        encode(encoder, images[:5]), found[:5], rtol=1e-4, atol=1e-4 * np.abs(found).max()
    )
    assert graphs() == before, "batches of other sizes are nothing new"
    np.testing.assert_allclose(
        encode(encoder, images[:1]), found[:1], rtol=1e-4, atol=1e-4 * np.abs(found).max()
    )


def test_without_a_compiler_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", (None, "no-such-compiler"))
    with pytest.raises(
        InputError, match="torch cannot compile the network of the model 'tiny' .*`runtime: torch`"
    ):
        load_encoder("tiny", TINY, None, "cpu", "torch-compile")
