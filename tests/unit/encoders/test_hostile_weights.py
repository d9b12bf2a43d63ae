"""Weights files that are damaged, hold themselves, or unfold without end: one sentence for each."""

import random
import zipfile

import pytest
import torch
from mutants import outcomes, written
from safetensors.torch import save_file

from radcbir.core.errors import InputError
from radcbir.encoders.weights_file import read_tensors

TENSORS = {"a.weight": torch.arange(12.0).reshape(4, 3), "a.bias": torch.ones(4)}


def test_wrappers_are_taken_off_in_any_order(tmp_path):
    torch.save({"model": {"teacher": {"state_dict": TENSORS}}, "epoch": 3}, tmp_path / "w.pt")
    assert read_tensors(tmp_path / "w.pt", "tiny").keys() == TENSORS.keys()


def around(state):
    """A state dict that holds itself, behind other wrappers."""
    state["model"] = {"teacher": state}
    return state


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (around({}), "holds no tensors by name: is it a state dict"),
        ({"model": {"model": {}}}, "holds no tensors by name"),
        ([torch.ones(2)], "holds no tensors by name"),
        ({0: torch.ones(2), 1: torch.ones(2)}, "holds tensors without names: export it"),
        (3, "holds no tensors by name"),
    ],
)
def test_a_state_without_names(tmp_path, state, sentence):
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(InputError, match=rf"w\.pt of the model 'tiny' {sentence}"):
        read_tensors(tmp_path / "w.pt", "tiny")


def test_names_that_are_none_are_left_out(tmp_path):
    torch.save({**TENSORS, 5: torch.ones(1)}, tmp_path / "w.pt")
    assert read_tensors(tmp_path / "w.pt", "tiny").keys() == TENSORS.keys()


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.bin", "w.safetensors"])
def test_random_bytes_are_no_weights(tmp_path, name):
    for seed in range(30):
        draw = random.Random(seed)
        start = draw.choice((b"", b"PK\x03\x04", b"\x80\x02", b"\x40\0\0\0\0\0\0\0{"))
        (tmp_path / name).write_bytes(start + draw.randbytes(draw.choice((0, 1, 8, 300, 5000))))
        with pytest.raises(InputError, match="cannot be read as tensors|holds no tensors"):
            read_tensors(tmp_path / name, "tiny")


def test_a_compressed_archive_is_not_unpacked(tmp_path):
    torch.save(TENSORS, tmp_path / "w.pt")
    with (
        zipfile.ZipFile(tmp_path / "w.pt") as whole,
        zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for name in whole.namelist():
            content = whole.read(name) + (b"\0" * (1 << 24) if name.endswith("data.pkl") else b"")
            bomb.writestr(name, content)
    with pytest.raises(InputError, match="cannot be read as tensors"):
        read_tensors(tmp_path / "bomb.pt", "tiny")


READ = """
from radcbir.encoders.weights_file import read_tensors

def read(path):
    read_tensors(path, "tiny")
"""


def test_damaged_weights_are_read_or_refused_in_one_sentence(tmp_path):
    files = []
    for kind, suffix in (("zip", "pt"), ("legacy", "pt"), ("safe", "safetensors")):
        whole = tmp_path / f"{kind}.{suffix}"
        if kind == "safe":
            save_file(TENSORS, whole)
        else:
            torch.save({"model": TENSORS}, whole, _use_new_zipfile_serialization=kind == "zip")
        files += written(tmp_path / kind, whole, 200)
    found = outcomes(READ, files, memory=4 << 30)
    assert set(found) == {"read", "refused"}
    assert found["read"] > 20 and found["refused"] > 200
