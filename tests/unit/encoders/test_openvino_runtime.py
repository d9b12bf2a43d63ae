"""OpenVINO in place of torch: the same weights give the same vectors, the conversion is kept, and
nobody is told."""

import importlib.util
import socket
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_networks import TINY, TINY_VIT, encode, noise

from radcbir.cards import model_card
from radcbir.core.errors import InputError
from radcbir.encoders import load_encoder
from radcbir.encoders.on_device import imitated
from radcbir.encoders.runtimes import openvino_runtime

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="openvino is not installed"
)

CARDS = {
    "convolutional": TINY,
    "transformer": TINY_VIT | {"pooling": "cls"},
    "part of the square": TINY
    | {"pooling": "inside", "preprocessing": TINY["preprocessing"] | {"resize": "corner"}},
}


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """A folder of its own for what is converted, and no network."""

    def connect(*_):
        raise AssertionError("something is told to somebody")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.mark.parametrize("name", CARDS)
def test_the_vectors_are_those_of_torch(name):
    """By at most 1e-4 of the largest number, and each image by itself as in a batch."""
    images = [noise(0), noise(1, 60, 150), Image.fromarray(np.full((50, 90), 77, np.uint8))]
    expected = encode(load_encoder("tiny", CARDS[name], None, "cpu"), images)
    encoder = load_encoder("tiny", CARDS[name], None, "cpu", "openvino")
    found = encode(encoder, images)
    assert found.dtype == np.float32 and found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
    assert (encode(encoder, images) == found).all(), "the same twice"
    alone = np.concatenate([encode(encoder, [image]) for image in images])
    np.testing.assert_allclose(alone, found, rtol=1e-4, atol=1e-4 * np.abs(found).max())
    assert "openvino" in encoder.libraries and sys.modules["openvino_telemetry"] is None


def test_a_network_is_converted_once(monkeypatch):
    converted = []
    original = openvino_runtime._converted
    monkeypatch.setattr(
        openvino_runtime, "_converted", lambda *given: converted.append(1) or original(*given)
    )
    first = encode(load_encoder("tiny", TINY, None, "cpu", "openvino"), [noise(0)])
    for changes, count in [
        ({}, 1),
        ({"batch_size": 3}, 1),
        ({"weights": {"random_seed": 4}}, 2),
        ({"pooling": "mean"}, 3),
    ]:
        found = encode(load_encoder("tiny", TINY | changes, None, "cpu", "openvino"), [noise(0)])
        assert len(converted) == count
        assert count == 2 or np.allclose(found, first, atol=1e-4), (
            "pooling the map is what this architecture does"
        )


def test_lower_precision_is_lower_where_the_processor_has_it():
    import openvino

    exact = encode(load_encoder("tiny", TINY, None, "cpu", "openvino"), [noise(0)])[0]
    for precision, (_, ability) in openvino_runtime.HINTS.items():
        card = TINY | {"precision": precision}
        if ability in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            difference = np.abs(
                encode(load_encoder("tiny", card, None, "cpu", "openvino"), [noise(0)])[0] - exact
            ).max()
            assert (difference > 0) == (precision != "float32") and difference < 0.1 * np.abs(
                exact
            ).max()
        else:
            with pytest.raises(
                InputError,
                match=f"`precision: {precision}`, in which this processor cannot compute",
            ):
                load_encoder("tiny", card, None, "cpu", "openvino")


def test_what_torch_imitates_is_told_by_the_processor(monkeypatch):
    able = {"architecture": "x86_64", "avx512_bf16": True}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert [imitated(each) for each in ("float32", "bfloat16", "float16")] == [False, False, True]
    able["avx512_bf16"] = False
    assert imitated("bfloat16")


@pytest.fixture
def wrongly_converted(monkeypatch):
    """Conversions give another network than was asked for; they are counted."""
    original, count = openvino_runtime._converted, []
    other = load_encoder("tiny", TINY | {"weights": {"random_seed": 9}}, None, "cpu")
    monkeypatch.setattr(
        openvino_runtime, "_converted", lambda module, _: count.append(1) or original(module, other)
    )
    return count


def test_a_conversion_that_went_wrong_is_refused_and_not_tried_again(tmp_path, wrongly_converted):
    for _ in range(2):
        with pytest.raises(
            InputError,
            match="computes other vectors than torch for the model 'tiny'.*remove .*openvino/",
        ):
            load_encoder("tiny", TINY, None, "cpu", "openvino")
    assert not list(tmp_path.rglob("*.xml")) and len(wrongly_converted) == 1


def test_by_itself_it_is_openvino_where_that_does_what_torch_does(tmp_path, monkeypatch):
    assert model_card.runtime_of(TINY | {"runtime": "auto"}) == "auto"
    assert model_card.runtime_of(TINY | {"runtime": "auto", "precision": "bfloat16"}) == "torch"
    assert "openvino" in load_encoder("tiny", TINY, None, "cpu", "auto").libraries
    thumbnail = {"loader": "control", "architecture": "thumbnail", "dimension": 256}
    assert encode(load_encoder("thumbnail", thumbnail, None, "cpu", "auto"), [noise(0)]).shape == (
        1,
        256,
    )
    gpu = SimpleNamespace(device=torch.device("cuda:0"))
    assert openvino_runtime.automatic(gpu, "tiny", TINY, tmp_path) is gpu
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "openvino" not in load_encoder("tiny", TINY, None, "cpu", "auto").libraries


def test_by_itself_it_is_torch_where_openvino_does_otherwise(wrongly_converted):
    expected = encode(load_encoder("tiny", TINY, None, "cpu"), [noise(0)])
    assert (encode(load_encoder("tiny", TINY, None, "cpu", "auto"), [noise(0)]) == expected).all()
    assert wrongly_converted


def test_a_folder_that_cannot_be_written_is_no_obstacle(tmp_path):
    encoder = load_encoder("tiny", TINY, None, "cpu")
    (tmp_path / "file").write_text("")
    found = openvino_runtime.accelerated(encoder, "tiny", TINY, tmp_path / "file/openvino")
    assert np.allclose(encode(found, [noise(0)]), encode(encoder, [noise(0)]), atol=1e-4)


def test_without_openvino_or_on_a_gpu_the_error_says_what_to_do(tmp_path, monkeypatch):
    gpu = SimpleNamespace(device=torch.device("cuda:0"))
    with pytest.raises(
        InputError,
        match="'tiny' has `runtime: openvino`, which is for CPUs, but the device is cuda:0",
    ):
        openvino_runtime.accelerated(gpu, "tiny", TINY, tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        InputError,
        match="the package openvino is not installed here: install it, or say `runtime: torch`",
    ):
        load_encoder("tiny", TINY, None, "cpu", "openvino")
