"""What kept pixels take on the disk, said before a run."""

from pathlib import Path

import pytest

from radcbir.project import kept_pixels
from radcbir.project.configuration import Project

CARDS = Path(__file__).parents[3] / "config" / "models"


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images.csv").write_text("filepath,split,label\n")
    dataset = {"csv": "images.csv", "images": "."}
    experiment = {"datasets": ["a", "b"], "index_split": "train", "query_splits": ["test"]}
    models = ["thumbnail", "efficientnet-lite0", "mobilenetv2", "efficientnet-lite1"]
    return Project(
        {
            "datasets": {"a": dataset, "b": {**dataset, "intensity": {"policy": "minmax"}}},
            "models": models,
            "experiments": {"both": experiment},
            "pixels": "keep",
            "pixels_gb": 30,
        },
        [CARDS],
    )


def test_models_of_one_geometry_by_dataset(project):
    """EfficientNet-Lite0 resizes by a cubic filter, MobileNetV2 linearly: two geometries."""
    assert project.networks == ["efficientnet-lite0", "mobilenetv2", "efficientnet-lite1"]
    assert project.of_same_geometry("mobilenetv2", "a") == []
    project.cards["mobilenetv2"] |= {
        "preprocessing": project.cards["efficientnet-lite0"]["preprocessing"]
    }
    del project.geometries  # they were found before the card changed
    assert project.of_same_geometry("mobilenetv2", "a") == ["efficientnet-lite0"]


def test_size_of_what_is_kept(project, tmp_path):
    """Two shards of 1,000 and 500 images in three geometries of 224, 224 and 240 pixels."""
    shards = tmp_path / "results/datasets/a/shards"
    shards.mkdir(parents=True)
    for name, count in (("a" * 16, 1000), ("b" * 16, 500)):
        lines = [f"{number}\t{number}.png\t9\n" for number in range(count)]
        (shards / f"{name}.tsv").write_text("id\tpath\tbytes\n" + "".join(lines))
    gray = 1500 * (2 * 224**2 + 240**2)
    assert kept_pixels.in_words(project) == (
        f"`pixels: keep`: the decoded images take {gray / 1e9:.2f} GB in results/pixels if they are "
        f"gray, {3 * gray / 1e9:.2f} GB in color (1500 images), at most 30 GB; b: images not counted "
        "yet"
    )
