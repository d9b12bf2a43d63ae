"""A whole run on a GPU against the same on the CPU. It is skipped where there is no GPU."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from tiny_networks import TINY, TINY_VIT

from radcbir.embedding import store
from radcbir.retrieval.gpu.search import has_gpu

MODELS = {"tiny-resnet": TINY, "tiny-vit": TINY_VIT}


@pytest.mark.gpu
def test_a_gpu_embeds_and_searches_as_the_cpu_does(fresh):
    if not has_gpu():
        pytest.skip("this machine has no GPU")
    pytest.importorskip("snakemake")
    project = fresh
    for slug, card in MODELS.items():
        (project / f"config/models/{slug}.yaml").write_text(yaml.safe_dump({**card, "name": slug}))
    settings = {"models": [*MODELS], "analyses": ["linear_probing"], "shard_size": 1000}
    found = {}
    for device in ("cpu", "cuda"):
        shutil.rmtree(project / "results", ignore_errors=True)
        project.configure(**settings, device=device, search={"device": device})
        jobs = project.run()
        assert (jobs["embed"], jobs["knn"], jobs["linear_probing"]) == (2, 4, 2)
        found[device] = results(project)
        assert not project.run(), "nothing is left to do"
    (cpu, cpu_tables), (gpu, gpu_tables) = found["cpu"], found["cuda"]
    for slug in MODELS:
        np.testing.assert_allclose(gpu[slug], cpu[slug], atol=1e-4)
    for name, table in cpu_tables.items():
        pd.testing.assert_frame_equal(gpu_tables[name], table, atol=0.03)
    log = (project / "results/logs/knn/findings/tiny-vit/test.log").read_text()
    assert re.search("candidates are found on (?!the CPU)", log), log

    # The GPU's own embeddings, searched by FAISS: the same bytes.
    path = project / "results/experiments/findings/tiny-vit/knn/test.parquet"
    content = path.read_bytes()
    project.configure(**settings, device="cuda")
    assert not project.run(), "what searches changes no result"
    project.run("--forcerun", "knn")
    assert path.read_bytes() == content


def results(project):
    """Vectors of length one by model, and the numbers of the comparison by file."""
    vectors = {}
    for slug in MODELS:
        path = project / f"results/embeddings/{slug}/chest.h5"
        vectors[slug] = store.read([path], store.read_ids(path))[1]
    folder = project / "results/experiments/findings"
    probes = [f"{slug}/linear_probing/linear_probing.csv" for slug in MODELS]
    return vectors, {
        name: pd.read_csv(folder / name) for name in ("comparison/precision.csv", *probes)
    }
