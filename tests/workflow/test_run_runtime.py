"""OpenVINO as the runtime of a model, through the workflow: asked for in the configuration, a matter of that model alone."""

import importlib.util
import re

import numpy as np
import pytest
import yaml

from radcbir import embeddings

TINY = {
    "name": "tiny", "loader": "timm", "architecture": "test_resnet", "weights": {"random_seed": 3}, "pooling": "pooled",
    "dimension": 96, "licence": "none", "batch_size": 8,
    "preprocessing": {"size": 96, "resize": "shortest", "crop_pct": 0.9, "interpolation": "bicubic", "mean": [0.5] * 3, "std": [0.2] * 3},
}  # fmt: skip


@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="openvino is not installed")
def test_a_model_changes_its_runtime_and_is_embedded_again(project):
    (project / "config/models/tiny.yaml").write_text(yaml.safe_dump(TINY))
    settings = {"models": ["thumbnail", "histogram", "tiny"], "shard_size": 16}
    wanted = [f"results/embeddings/{model}/chest.h5" for model in ("tiny", "thumbnail")]
    shards = len(list((project / "results/datasets/chest/shards").glob("*.tsv")))

    def planned() -> dict[str, str]:
        plan = project.snakemake("--dry-run", *wanted)
        return dict(re.findall(r"^(\w+) +(\d+)$", plan, re.MULTILINE)) | {
            "models": sorted(set(re.findall(r"^ +output: results/embeddings/(\w+)/\w+/\w+\.h5$", plan, re.MULTILINE)))
        }

    project.configure(**settings, runtime={"tiny": "openvino"})
    assert project.run(*wanted) == {"embed": shards, "gather": 1}, "the jobs of all shards, two at a time"
    assert len(list((project / "resources/weights/tiny/openvino").glob("*/network.xml"))) == 1, "converted once"
    attributes = embeddings.read_attributes(project / wanted[0])
    assert "openvino" in attributes["libraries"] and '"runtime": "openvino"' in attributes["card"]
    ids = embeddings.read_ids(project / wanted[0])
    _, found = embeddings.read([project / wanted[0]], ids)

    project.configure(**settings)
    assert planned()["models"] == ["tiny"]
    project.configure(**settings, precision={"tiny": "bfloat16"}, runtime={"tiny": "openvino"})
    assert planned()["models"] == ["tiny"]
    project.configure(**settings)
    project.run(wanted[0])
    _, expected = embeddings.read([project / wanted[0]], ids)
    assert np.abs(found - expected).max() < 1e-5
