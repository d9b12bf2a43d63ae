"""What makes large projects possible, on a small one: embeddings in half precision, a search part
by part."""

import h5py
import numpy as np
import pandas as pd

KNN = "results/experiments/findings/thumbnail/knn/test.parquet"
SUMMARY = "results/experiments/findings/thumbnail/metrics/summary.csv"


def test_half_precision_embeds_again_and_moves_no_precision_by_much(project, finished):
    project.configure(models=["thumbnail"], storage="float16")
    jobs = project.run(SUMMARY, "results/provenance/provenance.csv")
    shards = len(list((project / "results/datasets/chest/shards").glob("*.tsv")))
    assert (jobs["embed"], jobs["gather"], jobs["index"], jobs["knn"]) == (shards, 1, 1, 2)
    assert not {"catalog", "shards", "pool", "audit"} & set(jobs)
    with h5py.File(project / "results/embeddings/thumbnail/chest.h5") as file:
        assert file["embeddings"].dtype == np.float16
    provenance = pd.read_csv(project / "results/provenance/provenance.csv")
    assert provenance["storage"].tolist() == ["float16"]
    half, whole = (pd.read_parquet(each / KNN) for each in (project, finished))
    assert 0 < np.abs(half["score"] - whole["score"]).max() < 1e-3
    before, after = (pd.read_csv(each / SUMMARY) for each in (finished, project))
    assert (before["metric"] == after["metric"]).all()
    np.testing.assert_allclose(after["value"], before["value"], atol=0.05)


def test_a_job_with_no_memory_for_the_index_finds_the_same_neighbors(project, finished):
    jobs = project.run("--forcerun", "knn", "--set-resources", "knn:mem_mb=0", "--", KNN)
    assert dict(jobs) == {"knn": 1}
    log = (project / "results/logs/knn/findings/thumbnail/test.log").read_text()
    assert "is searched in 24 parts" in log
    assert (project / KNN).read_bytes() == (finished / KNN).read_bytes()
