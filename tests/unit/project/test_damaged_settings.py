"""Configurations and cards with something odd in them: taken, or refused with sentences."""

from pathlib import Path

import pytest
import yaml
from odd_values import odd_copies

from radcbir.cards import model_card
from radcbir.core.errors import InputError
from radcbir.project import targets
from radcbir.project.configuration import Project

ROOT = Path(__file__).parents[3]
CARDS = ROOT / "config/models"
SHOWN = [
    "biomedclip-vitb16", "efficientnet-lite0", "histogram", "lite0-mobilenetv2", "medclip-swint", "medsiglip-448", "rad-dino",
    "xrv-densenet121-all",
]  # fmt: skip


def fine(sentence: object) -> bool:
    """A sentence that can be printed in one line."""
    return isinstance(sentence, str) and "\n" not in sentence and len(sentence) > 20


@pytest.fixture
def whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "a.csv").write_text("filepath,split,label\n")
    return yaml.safe_load(
        """
        datasets:
          a: {csv: a.csv, images: images, known_as: [NIH14], max_rejected: 0.1, intensity: {policy: window, window: [40, 400]}}
          b: {prepare: {from: folder, shares: {train: 0.8, test: 0.2}, planes: [axial]}, images: images}
        models: [thumbnail, histogram, efficientnet-lite0, mobilenetv2, lite0-mobilenetv2]
        experiments:
          one: {datasets: [a], index_split: train, query_splits: [val, test], k: 20, index: {type: ivf, nprobe: 4}}
          both: {datasets: [a, b], index_split: train, query_splits: [test], models: [thumbnail], analyses: [gallery]}
        analyses: [gallery, leakage, linear_probing]
        audit: {stop_on: [shared_patients], images: true, distance: 6}
        precision: {efficientnet-lite0: bfloat16}
        runtime: torch
        classification: {fixed_k: 20, epochs: 10, label_fractions: [0.1, 1], shots: [1], tries: 2}
        query: {images: [images], experiment: one, models: [thumbnail], k: 3}
        storage: float16
        """
    )


def test_damaged_configurations_are_taken_or_refused_in_sentences(whole):
    refused = taken = 0
    for given in odd_copies(whole, 400):
        try:
            targets.everything(Project(given, [CARDS], "my.yaml"))
            taken += 1
        except InputError as error:
            assert all(map(fine, error.sentences)), error
            refused += 1
    assert refused > 200 and taken > 10


@pytest.mark.parametrize("name", SHOWN)
def test_damaged_cards_are_taken_or_refused_in_sentences(tmp_path, name):
    whole = yaml.safe_load((CARDS / f"{name}.yaml").read_text())
    refused = 0
    for number, given in enumerate(odd_copies(whole, 60)):
        path = tmp_path / "odd.yaml"
        try:
            path.write_text(yaml.safe_dump(given))
        except (yaml.YAMLError, UnicodeError):
            continue
        try:
            assert model_card.load_card(path).meaning
        except InputError as error:
            assert all("odd.yaml" in each and fine(each) for each in error.sentences), (
                number,
                error,
            )
            refused += 1
    assert refused > 20
