"""What decides trust, through Snakemake: one run over two datasets, its figures against plain
counts from the files."""

import json
import re
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest
from conftest import CONFIG, PATTERNS, Project, rows
from figure_texts import figure_texts, figures_unfit_for_print
from PIL import Image
from skimage.metrics import structural_similarity
from sklearn.linear_model import Ridge
from sklearn.metrics import silhouette_score

ANALYSES = [
    "embedding_space",
    "map",
    "leakage",
    "shortcuts",
    "cross_dataset",
    "graded_relevance",
    "contamination",
    "privacy",
]
EXPERIMENT = "results/experiments/sites"
SIMILARITY = 0.95  # not the default


@pytest.fixture(scope="module")
def trusted(finished, tmp_path_factory):
    """The finished project with a second dataset, pooled with the first; one pair of images is
    nearly the same."""
    project = Project(tmp_path_factory.mktemp("trusted") / "project")
    shutil.copytree(finished.folder, project.folder, copy_function=shutil.copy2, symlinks=True)
    listed = []
    for number, row in enumerate(rows(48, start=1000)):
        patient, label = row["patient_id"], list(PATTERNS)[number % 3]
        project.draw(row["filepath"], number % 3, 1000 + number)
        further = {
            "study_id": f"s{number // 3}", "view": ["PA", "AP"][number % 2], "sex": "FM"[number % 5 > 1],
            "age": str(20 + number), "source": "north" if number % 4 else "south",
        }  # fmt: skip
        listed.append(row | {"label": label, "patient_id": patient} | further)
    (one,) = [row for row in listed if row["split"] == "test" and row["label"] == "XR/chest/bar"][
        :1
    ]
    (other,) = [
        row for row in listed if row["split"] == "train" and row["label"] == "XR/chest/bar"
    ][:1]
    almost = np.asarray(Image.open(project / "data/images" / other["filepath"])).astype(int) + 1
    Image.fromarray(almost.clip(0, 255).astype(np.uint8)).save(
        project / "data/images" / one["filepath"]
    )
    project.write_csv(listed, "data/clinic.csv")
    project.configure(
        datasets=CONFIG["datasets"]
        | {
            "clinic": {
                "csv": "data/clinic.csv",
                "images": "data/images",
                "max_rejected": 0.1,
                "known_as": ["NIH14"],
            }
        },
        experiments={
            "sites": {
                "datasets": ["chest", "clinic"],
                "index_split": "train",
                "query_splits": ["test"],
                "k": 8,
            }
        },
        analyses=ANALYSES,
        audit={"stop_on": [], "similarity": SIMILARITY},
    )
    project.run(
        *(f"{EXPERIMENT}/{analysis}/{analysis}.html" for analysis in ANALYSES),
        f"{EXPERIMENT}/comparison/models.html",
        f"{EXPERIMENT}/front.json",
    )
    return project


@pytest.fixture(scope="module")
def catalog(trusted):
    return pd.read_parquet(trusted / EXPERIMENT / "catalog.parquet").set_index("id", drop=False)


@pytest.fixture(scope="module")
def nearest(trusted, catalog):
    """Per model, its queries with the row of the nearest neighbor beside them."""
    found = {}
    for model in CONFIG["models"]:
        table = pd.read_parquet(trusted / EXPERIMENT / model / "knn/test.parquet")
        first = table[table["rank"] == 1]
        found[model] = catalog.loc[first["query"]], catalog.loc[first["neighbor"]]
    return found


FOLDERS = {
    "hubness": "embedding_space",
    "embedding_duplicates": "leakage",
    "source_purity": "cross_dataset",
    "reidentified": "privacy",
    "summary": "comparison",
}


def comparison(project, name):
    return pd.read_csv(project / EXPERIMENT / FOLDERS.get(name, name) / f"{name}.csv")


def vectors_of(project, model, ids):
    found = {}
    for dataset in ("chest", "clinic"):
        with h5py.File(project / f"results/embeddings/{model}/{dataset}.h5") as file:
            found |= dict(
                zip(file["ids"][:].tolist(), file["embeddings"][:].astype(float), strict=True)
            )
    return np.array([found[each] for each in ids])


def test_silhouette_and_effective_rank_of_the_stored_embeddings(trusted, catalog):
    table = comparison(trusted, "embedding_space")
    index = catalog[catalog["split"] == "train"]
    for model in CONFIG["models"]:
        vectors = vectors_of(trusted, model, index["id"])
        values = table[(table["model"] == model) & table["query_split"].isna()].set_index(
            ["measure", "level"]
        )["value"]
        for level in ("modality", "region", "label"):
            expected = silhouette_score(vectors, index[level], metric="cosine")
            assert values["silhouette", level] == pytest.approx(expected, abs=1e-9)
        share = np.linalg.svd(vectors, compute_uv=False)
        share /= share.sum()
        share = share[share > 0]
        assert values["effective_rank"].item() == pytest.approx(
            np.exp(-(share * np.log(share)).sum()), rel=1e-5
        )
    remedies = comparison(trusted, "hubness")
    assert remedies.groupby("model")["remedy"].nunique().tolist() == [5, 5]
    plain = remedies[remedies["remedy"] == "none"].set_index("model")["precision_at_1"]
    summary = comparison(trusted, "summary")
    summary = summary[(summary["metric"] == "precision_at_1") & (summary["average"] == "micro")]
    summary = summary[summary["neighbors"] == "all"].set_index("model")["value"]
    assert plain.to_dict() == pytest.approx(summary.to_dict())


def test_shortcuts_are_what_nearest_neighbors_share(trusted, nearest):
    table = comparison(trusted, "shortcuts").set_index(["model", "attribute"])
    assert set(table.index.get_level_values("attribute")) == {
        "finding",
        "dataset",
        "source",
        "view",
        "sex",
        "age_band",
    }
    for model, (queries, found) in nearest.items():
        for attribute in ("dataset", "source", "view", "sex"):
            pairs = [
                (one, other)
                for one, other in zip(queries[attribute], found[attribute], strict=True)
                if isinstance(one, str) and isinstance(other, str)
            ]
            row = table.loc[(model, attribute)]
            assert row["queries"] == len(pairs) > 0
            assert row["precision_at_1"] == pytest.approx(
                np.mean([one == other for one, other in pairs])
            )


def test_the_near_duplicate_is_left_out(trusted, nearest):
    pairs = pd.read_parquet(trusted / EXPERIMENT / "audit/near_duplicates.parquet")
    table = comparison(trusted, "leakage").set_index(["model", "neighbors", "k"])
    assert set(table.index.get_level_values("neighbors")) == {
        "all", "other_patients", "other_studies", "no_near_duplicates", "no_embedding_duplicates"
    }  # fmt: skip
    listed = set(zip(pairs["image"], pairs["other"], strict=True))
    assert listed
    for model, (queries, found) in nearest.items():
        among_first = np.mean(
            [each in listed for each in zip(queries["id"], found["id"], strict=True)]
        )
        assert table.loc[(model, "no_near_duplicates", 1), "left_out"] == pytest.approx(among_first)
    assert table.loc[("thumbnail", "no_near_duplicates", 1), "left_out"] > 0


def test_what_both_models_hold_for_the_same_is_listed_and_left_out(trusted, catalog):
    tables = [
        pd.read_parquet(trusted / EXPERIMENT / f"{each}/knn/test.parquet")
        for each in ("thumbnail", "histogram")
    ]

    def held_by_both(similarity):
        close = [
            {(row.query, row.neighbor) for row in each.itertuples() if row.score >= similarity}
            for each in tables
        ]
        return close[0] & close[1]

    listed = comparison(trusted, "embedding_duplicates")
    assert (
        set(zip(listed["image"], listed["other"], strict=True))
        == held_by_both(SIMILARITY)
        != held_by_both(0.98)
    )
    assert (listed["models"] == 2).all()
    assert listed["image_path"].tolist() == catalog.loc[listed["image"], "path"].tolist()
    table = comparison(trusted, "leakage").set_index(["model", "neighbors", "k"])
    assert table.loc[("thumbnail", "no_embedding_duplicates", 1), "left_out"] > 0


def test_graded_relevance_of_single_labels_by_sets_is_plain_ndcg(trusted):
    table = comparison(trusted, "graded_relevance")
    table = table[table["k"] == 8].set_index(["model", "gain"])["value"]
    summary = comparison(trusted, "summary")
    summary = summary[
        (summary["metric"] == "ndcg")
        & (summary["average"] == "micro")
        & (summary["neighbors"] == "all")
    ]
    for model, value in summary.set_index("model")["value"].items():
        assert table[model, "jaccard"] == pytest.approx(value, abs=1e-12)
        assert table[model, "label_tree"] != pytest.approx(value, abs=1e-3)


def test_queries_of_one_dataset_in_the_index_of_another(trusted, catalog):
    table = comparison(trusted, "cross_dataset").set_index(
        ["model", "query_dataset", "index_dataset"]
    )
    assert len(table) == 2 * 4
    for (model, asking, asked), row in table.iterrows():
        queries = catalog[(catalog["split"] == "test") & (catalog["dataset"] == asking)]
        index = catalog[(catalog["split"] == "train") & (catalog["dataset"] == asked)]
        shared = set(queries["label"]) & set(index["label"])
        queries, index = queries[queries["label"].isin(shared)], index[index["label"].isin(shared)]
        scores = (
            vectors_of(trusted, model, queries["id"]) @ vectors_of(trusted, model, index["id"]).T
        )
        right = index["label"].to_numpy()[scores.argmax(axis=1)] == queries["label"].to_numpy()
        assert row["precision_at_1"] == pytest.approx(right.mean())
        assert (row["queries"], row["classes"]) == (len(queries), len(shared))
    purity = comparison(trusted, "source_purity")
    assert purity["chance"].unique().tolist() == [0.5]


def test_images_are_read_once_for_all_models(trusted, catalog):
    files = sorted((trusted / "results/datasets").glob("*/small_images/*.parquet"))
    assert len(files) == 2 * 3, "two datasets of 48 images in shards of 16"
    small = pd.concat(map(pd.read_parquet, files)).set_index("id")["pixels"]
    assert set(small.index) > set(catalog["id"]), "the split `val` is no part of this experiment"
    row = catalog.iloc[0]
    image = Image.open(trusted / "data/images" / row["path"]).resize((32, 32), Image.Resampling.BOX)
    assert small[row["id"]] == image.tobytes()


def test_what_is_decoded_is_that_of_a_plain_regression(trusted, catalog):
    table = comparison(trusted, "privacy").set_index("model")
    files = (trusted / "results/datasets").glob("*/small_images/*.parquet")
    small = pd.concat(map(pd.read_parquet, files)).set_index("id")["pixels"]
    index, queries = (catalog.loc[catalog["split"] == each, "id"].sort_values() for each in ("train", "test"))  # fmt: skip
    known, asked = (
        np.array([np.frombuffer(small[each], np.uint8) for each in ids]) for ids in (index, queries)
    )
    for model in CONFIG["models"]:
        row = table.loc[model]
        vectors = [vectors_of(trusted, model, ids) for ids in (index, queries)]
        scale = np.sqrt(vectors[0].shape[1])
        fit = Ridge(row["penalty"]).fit(vectors[0] * scale, known.astype(float))
        made = fit.predict(vectors[1] * scale).clip(0, 255).round()
        how = {"gaussian_weights": True, "use_sample_covariance": False, "data_range": 255}
        mean, found = known.mean(axis=0), []
        for shown in (made, np.broadcast_to(mean, made.shape)):
            pairs = zip(shown, asked.astype(float), strict=True)
            both = [
                structural_similarity(one.reshape(32, 32), its.reshape(32, 32), **how)
                for one, its in pairs
            ]
            found.append(np.mean(both))
        assert (row["ssim"], row["mean_image"]) == pytest.approx(found, abs=2e-3)
        assert (row["queries"], row["training_images"], row["chosen"]) == (24, 48, True)
        assert row["verdict"] == "too few patients"
    assert table.loc["thumbnail", "ssim"] > table.loc["histogram", "ssim"]


def test_patients_found_again_are_those_of_plain_counts(trusted, catalog):
    table = comparison(trusted, "reidentified").set_index("model")
    catalog = catalog.reset_index(drop=True)
    asking = catalog[catalog["study_id"].notna()]
    for model in CONFIG["models"]:
        everyone = catalog.sort_values("id")
        vectors = vectors_of(trusted, model, everyone["id"])
        right, chance = [], []
        for row in asking.itertuples():
            others = (everyone["patient_id"] != row.patient_id) | (
                everyone["study_id"].notna() & (everyone["study_id"] != row.study_id)
            )
            own = vectors[(everyone["id"] == row.id).to_numpy()][0]
            nearest = everyone[others].iloc[(vectors[others.to_numpy()] @ own).argmax()]
            right.append(nearest["patient_id"] == row.patient_id)
            chance.append((everyone[others]["patient_id"] == row.patient_id).mean())
        assert table.loc[model, "recall_at_1"] == pytest.approx(np.mean(right))
        assert table.loc[model, "chance"] == pytest.approx(np.mean(chance))
        assert (table.loc[model, "unit"], table.loc[model, "queries"]) == ("study", 36)
    front = json.loads((trusted / EXPERIMENT / "front.json").read_text())
    [block] = front["splits"]
    best = {"thumbnail 16x16": "thumbnail", "gray-value histogram": "histogram"}[block["best"]]
    warned = "".join(text for each in block["warnings"] for text, _ in each)
    found = table.loc[best, "low"] > table.loc[best, "chance"]
    assert ("is of the same patient for" in warned) == found


def test_the_map_is_one_small_page_with_every_image(trusted, catalog):
    page = (trusted / EXPERIMENT / "map/map.html").read_text()
    assert len(page) < 1e6
    assert not re.search(r"(src|href)\s*=\s*[\"']?https?:", page)
    data = json.loads(re.search(r"const data = (\{.*\}), columns", page)[1])
    assert sorted(data["paths"]) == sorted(catalog["path"])
    assert [each["name"] for each in data["models"]] == ["thumbnail 16x16", "gray-value histogram"]
    for each in data["models"]:
        places = np.array(each["at"])
        assert places.shape == (len(catalog), 2)
        assert np.abs(places).max() == 1000
        assert len(np.unique(places, axis=0)) > 0.9 * len(places)


def test_marks_stand_beside_the_models(trusted):
    table = comparison(trusted, "contamination").set_index("model")
    assert (table == "not seen").all(axis=None), "controls have seen nothing"
    page = (trusted / EXPERIMENT / "comparison/models.html").read_text()
    assert page.count('title="chest: not seen; clinic: not seen">○') == 2


def test_pages_and_figures_are_whole(trusted):
    for name in ANALYSES:
        page = (trusted / EXPERIMENT / f"{name}/{name}.html").read_text()
        assert page.rstrip().endswith("</html>")
        assert "thumbnail 16x16" in page
    for name in (
        "embedding_space",
        "hubness",
        "leakage",
        "shortcuts",
        "graded_relevance",
        "cross_dataset",
        "privacy",
    ):
        folder = trusted / EXPERIMENT / FOLDERS.get(name, name)
        texts = figure_texts(folder / f"{name}.svg")
        assert any(each.startswith("thumbnail 16x16") for each in texts), texts
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_figures_can_be_printed(trusted):
    assert figures_unfit_for_print(trusted / "results") == {}
