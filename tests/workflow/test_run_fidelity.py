"""Approximate indexes, fewer dimensions, fusions and text queries, end to end on one run."""

import json
import shutil
from pathlib import Path

import numpy as np
import open_clip
import pandas as pd
import pytest
import torch
import yaml
from conftest import CONFIG, Project
from figure_texts import figure_texts, figures_unfit_for_print
from PIL import Image
from safetensors.torch import save_file

VISION = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8}
TEXT = {"context_length": 20, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
EXPERIMENT = CONFIG["experiments"]["findings"]
FOLDER = "results/experiments/findings"
COMPARISON = f"{FOLDER}/comparison"
QUICK = "results/experiments/quick/comparison/summary.csv"
TARGETS = [
    *(
        f"{FOLDER}/{name}"
        for name in (
            "comparison/models.html",
            "index_fidelity/index_fidelity.svg",
            "dimensions/dimensions.svg",
            "text_queries/text_queries.html",
        )
    ),
    "results/experiments/quick/comparison/models.html",
    "results/datasets/chest/coverage.csv",
]


def write_cards(project):
    """Fusions of the two controls, and a contrastive model with random weights."""
    fusion = {"loader": "fusion", "licence": "none"}
    for slug, by in (("side-by-side", "concatenation"), ("by-rank", "reciprocal_rank")):
        card = {"name": slug, **fusion, "fusion": {"of": ["thumbnail", "histogram"], "by": by}}
        (project / f"config/models/{slug}.yaml").write_text(yaml.safe_dump(card))
    folder = project / "resources/weights/tiny-clip"
    folder.mkdir(parents=True)
    configuration = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT}
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": configuration, "preprocess_cfg": {}})
    )
    torch.manual_seed(1)
    state = open_clip.CLIP(**configuration).state_dict()
    save_file(
        {name: each.contiguous().clone() for name, each in state.items()},
        folder / "open_clip_model.safetensors",
    )
    card = {
        "name": "tiny CLIP", "loader": "open_clip", "architecture": "tiny", "pooling": "projection", "dimension": 24,
        "text_tower": True, "licence": "none", "training_data": [],
        "weights": {"hub": "someone/tiny", "revision": "0" * 40,
                    "files": ["open_clip_config.json", "open_clip_model.safetensors"]},
        "preprocessing": {"size": 32, "resize": "shortest", "crop_pct": 1.0, "interpolation": "bicubic",
                          "mean": list(open_clip.OPENAI_DATASET_MEAN), "std": list(open_clip.OPENAI_DATASET_STD)},
    }  # fmt: skip
    (project / "config/models/tiny-clip.yaml").write_text(yaml.safe_dump(card))


@pytest.fixture(scope="module")
def done(finished, tmp_path_factory) -> Project:
    """A finished project, to which fusions, a text tower, an IVF experiment and the analyses came;
    not to be changed."""
    project = Project(tmp_path_factory.mktemp("fidelity") / "project")
    shutil.copytree(finished.folder, project.folder, copy_function=shutil.copy2, symlinks=True)
    write_cards(project)
    models = ["thumbnail", "histogram", "side-by-side", "by-rank", "tiny-clip"]
    ivf = EXPERIMENT | {"models": ["thumbnail"], "index": {"type": "ivf", "nlist": 4, "nprobe": 1}}
    findings = EXPERIMENT | {"query_splits": ["test"]}
    project.configure(models=models, experiments={"findings": findings, "quick": ivf})
    project.first_run = project.run(*TARGETS)
    return project


def table(project, name, folder=COMPARISON):
    return pd.read_csv(project / folder / name)


def test_fusions_are_models_like_any_other(done):
    summary = table(done, "summary.csv")
    assert set(summary["model"]) == {
        "thumbnail",
        "histogram",
        "side-by-side",
        "by-rank",
        "tiny-clip",
    }
    assert done.first_run["fuse"] == 2
    knn = {
        model: pd.read_parquet(done / f"{FOLDER}/{model}/knn/test.parquet").set_index(
            ["query", "neighbor"]
        )["score"]
        for model in ("thumbnail", "histogram", "side-by-side")
    }
    both = pd.concat(knn, axis=1).dropna()
    assert len(both) > 20
    mean = both[["thumbnail", "histogram"]].mean(axis=1)
    np.testing.assert_allclose(both["side-by-side"], mean, atol=1e-6)
    coverage = pd.read_csv(done / "results/datasets/chest/coverage.csv").set_index("model")
    assert coverage.loc["by-rank", "embedded"] == 48
    assert (
        "concatenation of thumbnail, histogram" in (done / f"{COMPARISON}/models.html").read_text()
    )


def test_indexes_and_dimensions_are_tables_and_figures(done):
    indexes = table(done, "index_fidelity.csv", f"{FOLDER}/index_fidelity")
    assert set(indexes["model"]) == {"thumbnail", "histogram", "side-by-side", "tiny-clip"}, (
        "those with vectors of their own"
    )
    assert set(indexes["type"]) == {"flat", "ivf", "hnsw", "sq8", "pq", "ivf_pq"}
    summary = table(done, "summary.csv").set_index(
        ["model", "query_split", "neighbors", "metric", "average"]
    )["value"]
    for name, variant in (("index_fidelity.csv", "flat"), ("dimensions.csv", "none 256 float32")):
        folder = f"{FOLDER}/{name.removesuffix('.csv')}"
        exact = (
            table(done, name, folder).set_index(["model", "variant"]).loc[("thumbnail", variant)]
        )
        for k in (1, 10):
            wanted = ("thumbnail", "test", "all", f"precision_at_{min(k, 5)}", "micro")
            if k == 1:
                assert exact["precision_at_1"] == summary[wanted]
            assert exact[f"change_in_precision_at_{k}"] == 0
    timings = table(done, "index_timings.csv", f"{FOLDER}/index_fidelity")
    assert len(timings) == len(indexes) and timings["machine"].notna().all()
    for name in ("index_fidelity", "dimensions"):
        texts = figure_texts(done / f"{FOLDER}/{name}/{name}.svg")
        assert {"thumbnail 16x16", "side-by-side", "tiny CLIP"} <= set(texts)
        assert (done / f"{FOLDER}/{name}/{name}.pdf").read_bytes().startswith(b"%PDF")


def test_an_approximate_index_serves_the_whole_workflow(done):
    quick, exact = (
        pd.read_parquet(done / f"results/experiments/{name}/thumbnail/knn/test.parquet")
        for name in ("quick", "findings")
    )
    assert (
        quick.groupby("query").size().ge(5).all()
        and not quick.duplicated(["query", "neighbor"]).any()
    )
    both = quick.merge(exact, on=["query", "neighbor"])
    np.testing.assert_allclose(both["score_x"], both["score_y"], atol=1e-6)
    page = (done / "results/experiments/quick/comparison/models.html").read_text()
    assert "Neighbors come from an approximate index (IVF: nlist 4, nprobe 1)" in page
    assert "approximate index" not in (done / f"{COMPARISON}/models.html").read_text()


def test_texts_are_asked_as_the_towers_answer(done):
    """Zero-shot accuracy once more, from the saved model itself."""
    folder = done / "resources/weights/tiny-clip"
    model = open_clip.CLIP(
        **json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]
    ).eval()
    from safetensors.torch import load_file

    model.load_state_dict(load_file(folder / "open_clip_model.safetensors"))
    prompts = table(done, "prompts.csv", FOLDER)
    assert prompts["prompt"].iloc[0] == "CT scan of the abdomen showing cross"
    catalog = pd.read_parquet(done / f"{FOLDER}/catalog.parquet")
    queries = catalog[catalog["split"] == "test"]
    transform = open_clip.image_transform(32, is_train=False)
    pictures = [
        transform(Image.open(done / "data/images" / path).convert("RGB"))
        for path in queries["path"]
    ]
    unit = torch.nn.functional.normalize
    with torch.inference_mode():
        texts = unit(
            model.encode_text(open_clip.tokenize(prompts["prompt"].tolist(), context_length=20))
        )
        labels = list(dict.fromkeys(prompts["label"]))
        centers = unit(
            torch.stack(
                [
                    texts[(prompts["label"] == each).to_numpy(copy=True)].mean(dim=0)
                    for each in labels
                ]
            )
        )
        guessed = (
            (unit(model.encode_image(torch.stack(pictures))) @ centers.T).argmax(dim=1).numpy()
        )
    accuracy = np.mean(
        [labels[each] == label for each, label in zip(guessed, queries["label"], strict=True)]
    )
    found = table(done, "text_queries.csv", f"{FOLDER}/text_queries")
    kept = (
        (found["task"] == "zero_shot")
        & (found["metric"] == "accuracy")
        & (found["average"] == "micro")
    )
    assert found.loc[kept, "value"].tolist() == [pytest.approx(accuracy)]
    page = (done / f"{FOLDER}/text_queries/text_queries.html").read_text()
    assert (
        "These models have no text tower and are not shown: thumbnail 16x16" in page
        and "showing cross" in page
    )
    assert page.count("data:image/jpeg") >= 3


def copy_of(done: Project, folder: Path) -> Project:
    project = Project(folder / "project")
    shutil.copytree(done.folder, project.folder, copy_function=shutil.copy2, symlinks=True)
    return project


def test_what_a_label_a_prompt_a_member_and_a_search_parameter_make_stale(done, tmp_path):
    """One copy, one change after the other, each a run of its own."""
    project = copy_of(done, tmp_path)
    assert "Nothing to be done" in project.snakemake(*TARGETS)
    project.edit("config/prompts.yaml", "XR: X-ray", "XR: radiograph")
    jobs = project.run(f"{FOLDER}/text_queries/text_queries.html")
    assert set(jobs) == {"prompts", "embed_text", "text_queries", "text_queries_summary"}
    project.edit("config/config.yaml", "nprobe: 1", "nprobe: 2")
    jobs = project.run(QUICK)
    assert (jobs["knn"], jobs["index"]) == (2, 0), "the index is searched, not built"
    project.edit("config/models/by-rank.yaml", "by: reciprocal_rank", "by: score")
    jobs = project.run(f"{FOLDER}/by-rank/metrics/summary.csv", QUICK)
    assert set(jobs) == {"knn", "retrieval_metrics"}
    project.edit(
        "data/chest.csv", "p00/000.png,train,XR/chest/disc", "p00/000.png,train,CT/abdomen/ring"
    )
    jobs = project.run(
        f"{FOLDER}/index_fidelity/index_fidelity.csv", f"{FOLDER}/dimensions/dimensions.csv", QUICK
    )
    assert not {"embed", "fuse", "index", "knn", "index_fidelity", "dimensions"} & set(jobs)
    assert {"index_fidelity_summary", "dimensions_summary"} <= set(jobs)
    project.edit(
        "config/models/histogram.yaml", "architecture: histogram", "architecture: thumbnail"
    )
    project.edit("config/models/histogram.yaml", "dimension: 64", "dimension: 256")
    jobs = project.run("results/embeddings/by-rank/chest.h5")
    assert jobs["fuse"] == 1 and jobs["embed"] > 0, "a member's change is the fusion's"


def test_without_a_text_tower_the_page_is_one_sentence(project):
    project.configure(analyses=["text_queries"])
    project.run(f"{FOLDER}/text_queries/text_queries.html")
    page = (project / f"{FOLDER}/text_queries/text_queries.html").read_text()
    assert (
        "No model of this experiment has a text tower (thumbnail 16x16, gray-value histogram)"
        in page
    )
    assert not (project / f"{FOLDER}/prompts.csv").exists()


def test_figures_can_be_printed(done):
    assert figures_unfit_for_print(done / "results") == {}
