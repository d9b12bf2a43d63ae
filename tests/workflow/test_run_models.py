"""A model of several files through the workflow: fetched, recorded, embedded offline, listed, and never stale by that."""

import json

import open_clip
import torch
import yaml
from safetensors.torch import save_file

from radcbir import embeddings

CONFIGURATION = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 20, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


def test_a_model_of_several_files(fresh):
    project = fresh
    served = project / "served"
    served.mkdir()
    (served / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIGURATION}))
    torch.manual_seed(0)
    state = {name: each.contiguous().clone() for name, each in open_clip.CLIP(**CONFIGURATION).state_dict().items()}
    save_file(state, served / "open_clip_model.safetensors")
    names = ["open_clip_config.json", "open_clip_model.safetensors"]
    card = {
        "name": "tiny CLIP", "loader": "open_clip", "architecture": "tiny", "pooling": "projection", "dimension": 24,
        "weights": {"files": [{"url": (served / name).as_uri()} for name in names]},
        "preprocessing": {"size": 32, "resize": "shortest", "crop_pct": 1.0, "interpolation": "bicubic", "mean": [0.5] * 3, "std": [0.5] * 3},
        "text_tower": True, "licence": "none",
    }  # fmt: skip
    (project / "config/models/tiny-clip.yaml").write_text(yaml.safe_dump(card))
    project.configure(models=["thumbnail", "histogram", "tiny-clip"])
    output = "results/embeddings/tiny-clip/chest.h5"
    first = project.run(output)
    assert (first["fetch_weights"], first["gather"]) == (2, 1)
    recorded = yaml.safe_load((project / "resources/weights/weights.lock.yaml").read_text())
    assert set(recorded["tiny-clip"]) == set(names)
    found = embeddings.read_attributes(project / output)
    assert found["dimension"] == 24
    assert len(found["weights_sha256"]) == 64
    assert not project.run(output)  # recording the digests made nothing stale

    listed = project.snakemake("models")
    row = next(line for line in listed.splitlines() if line.startswith("tiny-clip"))
    assert row.split()[:4] == ["tiny-clip", "tiny", "CLIP", "open_clip"] and " yes " in row and " here " in row
    assert any(line.startswith("biomedclip-vitb16") and "to fetch" in line for line in listed.splitlines())

    # Another file under the same name is not taken for the one that was recorded.
    (project / "resources/weights/tiny-clip/open_clip_config.json").write_text(json.dumps({"model_cfg": {}}))
    failed = project.snakemake("--forcerun", "embed", "--", output, fails=True)
    assert "open_clip_config.json of the model 'tiny-clip' has the SHA-256" in failed
    assert "weights.lock.yaml says" in failed
