"""A model of several files through the workflow: fetched, recorded, embedded offline, listed, and
never stale by that."""

import json
import os

import pytest
import tiny_clip
import yaml
from tiny_clip import NAMES

from radcbir.embedding import store


@pytest.fixture
def tiny(fresh):
    """A project with a model of several files."""
    tiny_clip.add_to(fresh)
    fresh.configure(models=["thumbnail", "histogram", "tiny-clip"])
    return fresh


def test_a_model_of_several_files(tiny):
    project = tiny
    output = "results/embeddings/tiny-clip/chest.h5"
    first = project.run(output)
    assert (first["fetch_weights"], first["gather"]) == (2, 1)
    recorded = yaml.safe_load((project / "resources/weights/weights.lock.yaml").read_text())
    assert set(recorded["tiny-clip"]) == set(NAMES)
    found = store.read_attributes(project / output)
    assert found["dimension"] == 24
    assert len(found["weights_sha256"]) == 64
    assert not project.run(output)  # recording the digests made nothing stale

    listed = project.snakemake("models")
    row = next(line for line in listed.splitlines() if line.startswith("tiny-clip"))
    assert (
        row.split()[:4] == ["tiny-clip", "tiny", "CLIP", "open_clip"]
        and " yes " in row
        and " here " in row
    )
    assert any(
        line.startswith("biomedclip-vitb16") and "to fetch" in line for line in listed.splitlines()
    )

    # Another file under the same name is not taken for the one that was recorded.
    (project / "resources/weights/tiny-clip/open_clip_config.json").write_text(
        json.dumps({"model_cfg": {}})
    )
    failed = project.snakemake("--forcerun", "embed", "--", output, fails=True)
    assert "open_clip_config.json of the model 'tiny-clip' has the SHA-256" in failed
    assert "weights.lock.yaml says" in failed


def test_weights_from_elsewhere_are_embedded_in_the_same_run_and_new_dates_are_no_reason(tiny):
    """The source of weights is a reason to fetch them and a reason to embed: the one must not hide
    the other."""
    project, output = tiny, "results/embeddings/tiny-clip/chest.h5"
    project.run(output)
    before = store.read_attributes(project / output)["weights_sha256"]
    for name in NAMES:
        os.utime(project / "resources/weights/tiny-clip" / name)
    assert not project.run(output)

    old, new = (project / "served").as_uri(), tiny_clip.serve(project / "elsewhere", 1)
    card = project / "config/models/tiny-clip.yaml"
    card.write_text(card.read_text().replace(f"{old}/{NAMES[1]}", new[1]))
    jobs = project.run(output)
    shards = len(list((project / "results/datasets/chest/shards").glob("*.tsv")))
    assert jobs == {"fetch_weights": 1, "pixels": shards, "embed": shards, "gather": 1}
    assert store.read_attributes(project / output)["weights_sha256"] != before
    assert not project.run(output)

    # The same content at another address, by its digest in the card: nothing is fetched, and
    # nothing is embedded.
    served = yaml.safe_load(card.read_text())
    digest = yaml.safe_load((project / "resources/weights/weights.lock.yaml").read_text())[
        "tiny-clip"
    ][NAMES[1]]["sha256"]
    served["weights"]["files"][1]["sha256"] = digest
    card.write_text(yaml.safe_dump(served, sort_keys=False))
    assert project.run(output)["embed"] == shards, "the digest is now what the card means"
    mirror = tiny_clip.serve(project / "mirror", 1)
    card.write_text(card.read_text().replace(new[1], mirror[1]))
    assert not project.run(output)
    (project / "resources/weights/tiny-clip" / NAMES[1]).unlink()
    assert project.run("weights") == {"fetch_weights": 1}
