"""What computes the forward pass, through the workflow: by itself OpenVINO, and in float32 no
reason to embed again."""

import importlib.util
import re

import numpy as np
import pytest
import yaml

from radcbir.embedding import store

TINY = {
    "name": "tiny", "loader": "timm", "architecture": "test_resnet", "weights": {"random_seed": 3}, "pooling": "pooled",
    "dimension": 96, "licence": "none", "batch_size": 8,
    "preprocessing": {"size": 96, "resize": "shortest", "crop_pct": 0.9, "interpolation": "bicubic", "mean": [0.5] * 3, "std": [0.2] * 3},
}  # fmt: skip


@pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="openvino is not installed"
)
def test_the_runtime_is_no_reason_to_embed_again_but_in_half_precision(project):
    (project / "config/models/tiny.yaml").write_text(yaml.safe_dump(TINY))
    settings = {"models": ["thumbnail", "histogram", "tiny"], "shard_size": 16}
    wanted = [f"results/embeddings/{model}/chest.h5" for model in ("tiny", "thumbnail")]
    shards = len(list((project / "results/datasets/chest/shards").glob("*.tsv")))

    def planned(**changes) -> list[str]:
        project.configure(**settings, **changes)
        plan = project.snakemake("--dry-run", *wanted)
        return sorted(
            set(re.findall(r"^ +output: results/embeddings/(\w+)/\w+/\w+\.h5$", plan, re.MULTILINE))
        )

    def embedded() -> tuple[np.ndarray, dict]:
        ids = store.read_ids(project / wanted[0])
        return store.read([project / wanted[0]], ids)[1], store.read_attributes(project / wanted[0])

    project.configure(**settings, runtime="auto")
    assert project.run(*wanted) == {"pixels": shards, "embed": shards, "gather": 1}, (
        "the jobs of all shards, two at a time"
    )
    assert len(list((project / "resources/weights/tiny/openvino").glob("*/network.xml"))) == 1, (
        "converted once"
    )
    found, attributes = embedded()
    assert "openvino" in attributes["libraries"] and "runtime" not in attributes["card"]

    for runtime in ("torch", "openvino", "torch-compile"):
        assert planned(runtime={"tiny": runtime}) == []
    assert planned(precision={"tiny": "bfloat16"}) == ["tiny"]
    project.configure(**settings, runtime="torch")
    project.run(wanted[0], "--forcerun", "embed")
    expected, attributes = embedded()
    assert "openvino" not in attributes["libraries"]
    assert np.abs(found - expected).max() < 1e-5

    project.configure(**settings, precision={"tiny": "bfloat16"}, runtime="torch")
    project.run(wanted[0])
    assert planned(precision={"tiny": "bfloat16"}, runtime="auto") == []
    assert planned(precision={"tiny": "bfloat16"}, runtime={"tiny": "openvino"}) == ["tiny"]
