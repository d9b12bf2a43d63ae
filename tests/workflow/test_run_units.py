"""Series as what is retrieved: from PNG slices to the page of ways to compare them, by hand, and what
makes it stale."""

import shutil

import h5py
import numpy as np
import pandas as pd
import pytest
from conftest import CONFIG, Project
from made_volumes import LABELS, slices, write
from PIL import Image
from plain_aggregation import cosine, plain_scores
from plain_localization import plain_place, plain_slab

from radcbir.embedding import store
from radcbir.encoders import load_encoder

FOLDER = "results/experiments/volumes"

EXPERIMENT = {
    "datasets": ["ct"],
    "index_split": "train",
    "query_splits": ["test"],
    "k": 4,
    "unit": "series",
    "models": ["thumbnail"],
}


WITHIN = 1.0
"""mm: less than the 2.5 mm between the slices of a series, so that a slice has one right place."""


def configure(project, **changes):
    project.configure(
        datasets=CONFIG["datasets"]
        | {"ct": {"csv": "data/ct.csv", "images": "data/ct", "space": "phantom"}},
        experiments=CONFIG["experiments"] | {"volumes": EXPERIMENT | changes},
        analyses=["leakage", "localization", "region_recall"],
        localization={"slices": [1, 3, 5, 9], "boxes": [0.25], "within_mm": WITHIN},
    )


@pytest.fixture(scope="module")
def volumes(finished, tmp_path_factory):
    """The finished project with an experiment of series beside that of images."""
    project = Project(tmp_path_factory.mktemp("units") / "project")
    shutil.copytree(finished.folder, project.folder, copy_function=shutil.copy2, symlinks=True)
    write(project, slices())
    configure(project)
    project.jobs = project.run(
        f"{FOLDER}/aggregation/aggregation.html",
        f"{FOLDER}/leakage/leakage.html",
        f"{FOLDER}/localization/localization.html",
        f"{FOLDER}/region_recall/region_recall.html",
    )
    return project


def vectors(project, model="thumbnail"):
    """The vectors of each series' slices, by the id of the series, and the pool."""
    folder = project / FOLDER
    pool = pd.read_parquet(folder / "catalog.parquet").set_index("id")
    images = pd.read_parquet(folder / "units/images.parquet")
    path = project / f"results/embeddings/{model}/ct.h5"
    ids, found = store.read([path], store.read_ids(path))
    rows = dict(zip(ids.tolist(), found.astype(float), strict=True))
    return pool, {
        unit: [rows[each] for each in here["id"]] for unit, here in images.groupby("unit")
    }


def test_the_pool_has_a_row_per_series(volumes):
    assert volumes.jobs["pool_units"] == volumes.jobs["unit_embeddings"] == 1
    assert volumes.jobs["aggregation"] == 1 and volumes.jobs["pool"] == 0
    pool = pd.read_parquet(volumes / FOLDER / "catalog.parquet").sort_values("path")
    assert list(pool["path"]) == [f"s{each:02d}/1.png" for each in range(12)]
    assert list(pool["label"]) == LABELS * 6
    assert list(pool["patient_id"]) == [f"ct:p{each // 2}" for each in range(12)]
    ledger = pd.read_csv(volumes / FOLDER / "units/ledger.csv")
    assert list(ledger["what"]) == [
        "left out: no series_id",
        "labels differ: XR/chest/bar: 2, XR/chest/disc: 1",
    ]
    counts = pd.read_csv(volumes / FOLDER / "units/counts.csv").set_index("split")
    assert list(counts["units"]) == [4, 8] and list(counts["images"]) == [12, 24]
    assert counts["mixed_labels"].tolist() == [0, 1]
    assert counts["images_left_out"].tolist() == [0, 1]


def test_vectors_and_neighbors_are_those_of_the_means(volumes):
    pool, of_series = vectors(volumes)
    means = {unit: np.mean(rows, axis=0) for unit, rows in of_series.items()}
    path = volumes / FOLDER / "thumbnail/units/embeddings.h5"
    ids, found = store.read([path], store.read_ids(path))
    assert set(ids) == set(pool.index)
    for unit, vector in zip(ids.tolist(), found, strict=True):
        np.testing.assert_allclose(vector, means[unit] / np.linalg.norm(means[unit]), atol=1e-6)
    table = pd.read_parquet(volumes / FOLDER / "thumbnail/knn/test.parquet")
    train = pool.index[pool["split"] == "train"]
    assert set(table["query"]) == set(pool.index[pool["split"] == "test"])
    for query, rows in table.groupby("query"):
        nearest = sorted(train, key=lambda each: -cosine(means[query], means[each]))
        assert rows.sort_values("rank")["neighbor"].tolist() == nearest[:4]


def test_slabs_are_found_where_plain_loops_find_them(volumes):
    """By the vectors of the images, also where an experiment retrieves series."""
    assert volumes.jobs["localization"] == 1
    images = pd.read_parquet(volumes / FOLDER / "units/images.parquet")
    path = volumes / "results/embeddings/thumbnail/ct.h5"
    ids, found = store.read([path], store.read_ids(path))
    rows = dict(zip(ids.tolist(), found.astype(float), strict=True))
    series = {
        (patient, name, split): sorted(
            ((each.position, rows[each.id]) for each in here.itertuples()), key=lambda each: each[0]
        )
        for (patient, name, split), here in images.groupby(["patient_id", "series_id", "split"])
    }
    index = {name: series[name] for name in sorted(series) if name[2] == "train"}
    table = pd.read_csv(volumes / FOLDER / "localization/localization.csv").set_index("slices")
    table = table[table["box"].isna()]
    assert list(table.index) == [1, 3, 5, 9] and set(table["queries"]) == {12}
    assert table["chance"].tolist() == pytest.approx([1 / 3] * 4)
    for size, row in table.iterrows():
        near = []
        for name in (each for each in series if each[2] == "test"):
            for number, (place, _) in enumerate(series[name]):
                _, position = plain_place(place, plain_slab(series[name], number, size), index)
                near.append(abs(position - place) <= WITHIN)
        assert row["value"] == pytest.approx(np.mean(near)), size


def test_slabs_in_boxes_are_cropped_embedded_and_found_where_plain_loops_find_them(volumes):
    assert volumes.jobs["boxed_slabs"] == volumes.jobs["embed_boxes"] == 1
    images = pd.read_parquet(volumes / FOLDER / "units/images.parquet").set_index("id")
    [listed] = (volumes / FOLDER / "localization/slabs").glob("*.tsv")
    slabs = pd.read_csv(listed, sep="\t")
    whole = volumes / "results/embeddings/thumbnail/ct.h5"
    ids, found = store.read([whole], store.read_ids(whole))
    rows = dict(zip(ids.tolist(), found.astype(float), strict=True))
    with h5py.File(volumes / FOLDER / "thumbnail/localization/boxes.h5") as file:
        assert file["rows"][:].tolist() == list(range(len(slabs)))
        boxes = file["vectors"][:].astype(float)
    encoder = load_encoder(
        "thumbnail",
        {"loader": "control", "architecture": "thumbnail", "dimension": 256},
        None,
        "cpu",
    )
    index = {
        name: sorted(((one.position, rows[one.Index]) for one in here.itertuples()), key=lambda each: each[0])
        for name, here in images[images["split"] == "train"].groupby(["patient_id", "series_id"])
    }  # fmt: skip
    right = {1: [], 3: []}
    for query, here in slabs.groupby("query"):
        assert here[["left", "top", "right", "bottom"]].nunique().tolist() == [1] * 4
        assert len(here) == 3 and sorted(here["size"]) == [1, 3, 3]
        box = here.iloc[0]
        assert (box["right"] - box["left"]) * (box["bottom"] - box["top"]) == pytest.approx(0.25)
        around = []
        for row in here.itertuples():
            with Image.open(volumes / "data/ct" / row.path) as picture:
                width, height = picture.size
                edges = [
                    round(row.left * width),
                    round(row.top * height),
                    round(row.right * width),
                    round(row.bottom * height),
                ]
                cut = picture.convert("L").crop(edges)
            [vector] = encoder.encode([encoder.preprocess(cut)])
            assert cosine(vector, boxes[row.Index]) == pytest.approx(1, abs=1e-5)
            around.append((images["position"][row.id], boxes[row.Index], row.size))
        place = images["position"][query]
        for size, each in right.items():
            taken = [(one, vector) for one, vector, of in around if of <= size]
            _, position = plain_place(place, taken, index)
            each.append(abs(position - place) <= WITHIN)
    table = pd.read_csv(volumes / FOLDER / "localization/localization.csv")
    table = table[table["box"] == 0.25].set_index("slices")
    assert list(table.index) == [1, 3, 5, 9] and set(table["queries"]) == {12}
    assert table["chance"].tolist() == pytest.approx([1 / 3] * 4)
    assert table.loc[1, "value"] == pytest.approx(np.mean(right[1]))
    assert table.loc[[3, 5, 9], "value"].tolist() == pytest.approx([np.mean(right[3])] * 3)
    page = (volumes / FOLDER / "localization/localization.html").read_text()
    assert "share of the area; empty: whole slices" in page
    figure = (volumes / FOLDER / "localization/localization_figure.html").read_text()
    assert "cropped to one at a random place" in figure


def test_every_way_has_the_value_of_a_plain_computation(volumes):
    pool, of_series = vectors(volumes)
    train = pool.index[pool["split"] == "train"]
    index = {each: of_series[each] for each in train}
    table = pd.read_csv(volumes / FOLDER / "aggregation/aggregation.csv")
    # Four series of the index have the query's label: the hits among the first four, over four.
    precision = table[(table["metric"] == "precision_at_5") & (table["average"] == "micro")]
    found = {way: [] for way in precision["way"]}
    for query in pool.index[pool["split"] == "test"]:
        for way, scores in plain_scores(of_series[query], index, near=10).items():
            first = sorted(scores, key=lambda unit: scores[unit], reverse=True)[:4]
            found[way].append((pool.loc[first, "label"] == pool.loc[query, "label"]).sum() / 4)
    assert len(found) == 7 and len({np.mean(each) for each in found.values()}) > 2
    for row in precision.to_dict("records"):
        assert row["value"] == pytest.approx(np.mean(found[row["way"]])), row["way"]
        assert row["queries"] == 4 and row["effective_patients"] == 2
    summary = pd.read_csv(volumes / FOLDER / "thumbnail/metrics/summary.csv")
    keys = {"neighbors": "other_patients", "metric": "mean_average_precision", "average": "micro"}
    of_mean = table[(table["way"] == "mean") & (table["metric"] == keys["metric"])]
    known = summary[(summary[list(keys)] == pd.Series(keys)).all(axis=1)]["value"].item()
    assert of_mean[of_mean["average"] == "micro"]["value"].item() == pytest.approx(known)


def test_region_recall_is_that_of_series(volumes):
    """Two of four query series are of each label, as are four of the eight series of the index."""
    table = pd.read_csv(volumes / FOLDER / "region_recall/by_label.csv")
    fine = table[(table["level"] == "fine") & (table["k"] == 1)].set_index("label")
    assert fine["queries"].to_dict() == dict.fromkeys(LABELS, 2)
    assert fine["index_images"].to_dict() == dict.fromkeys(LABELS, 4)
    assert set(fine["chance"]) == {0.5}
    groups = pd.read_csv(volumes / FOLDER / "thumbnail/metrics/by_group.csv")
    of_others = (groups["neighbors"] == "other_patients") & (groups["level"] == "label")
    expected = groups[of_others].set_index("group")["precision_at_1"]
    assert fine["value"].to_dict() == pytest.approx(expected.to_dict())


def test_the_page_names_the_ways(volumes):
    page = (volumes / FOLDER / "aggregation/aggregation.html").read_text()
    assert "late interaction" in page and "units/ledger.csv" in page


def test_the_front_page_speaks_of_series_and_of_images(volumes):
    volumes.run("results/experiments/findings/front.json", "results/index.html")
    page = (volumes / "results/index.html").read_text()
    assert "the encoder's nearest image or series in the index is looked up" in page
    for name, several, found in (("findings", "images", "image"), ("volumes", "series", "series")):
        part = page.split(f'<h2 id="{name}">')[1].split("</section>")[0]
        assert f"nearest {found} is right for" in part
        assert f"How often the nearest {found} is right" in part
        assert f" {several} in the index" in part
    assert "8 series in the index" in page and "1 is right" not in page


def test_what_is_stale(volumes):
    """An edited label computes no vector again, and an added model has its own jobs alone."""
    target = f"{FOLDER}/aggregation/aggregation.html"
    changed = slices()
    for place in (0, 1):  # most slices of the first series
        changed[place] = changed[place] | {"label": "XR/chest/bar"}
    volumes.write_csv(changed, "data/ct.csv")
    places = f"{FOLDER}/thumbnail/localization/localization.csv"
    jobs = volumes.run(target, places)
    assert jobs["pool_units"] == jobs["aggregation"] == jobs["retrieval_metrics"] == 1
    assert jobs["embed"] == jobs["unit_embeddings"] == jobs["index"] == jobs["knn"] == 0
    assert jobs["boxed_slabs"] == jobs["localization"] == 1 and jobs["embed_boxes"] == 0
    configure(volumes, models=["thumbnail", "histogram"])
    jobs = volumes.run(target)
    assert jobs["unit_embeddings"] == jobs["aggregation"] == jobs["knn"] == 1
    assert jobs["embed"] >= 1 and jobs["pool_units"] == 0
    assert "Nothing to be done" in volumes.snakemake("--dry-run", target)


def test_a_unit_of_images_is_the_default(project):
    """The key that says what was done before plans nothing."""
    findings = CONFIG["experiments"]["findings"] | {"unit": "image"}
    project.configure(experiments={"findings": findings})
    assert "Nothing to be done" in project.snakemake("--dry-run", "all")


def test_vectors_of_volumes_that_exist_already_are_those_of_the_series(volumes):
    """A folder with a file per series, beside a model that embeds slices."""
    drawn = np.random.default_rng(1).normal(size=(12, 6))
    folder = volumes / "data/features"
    folder.mkdir()
    names = [*(f"s{number:02d}" for number in range(12)), "alone"]
    for name, vector in zip(names, [*drawn, drawn[0]], strict=True):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["y_hat"] = vector
    card = volumes / "config/models/challenge.yaml"
    card.write_text("name: Challenge\nloader: precomputed\npath: data/features/\n")
    configure(volumes, models=["thumbnail", "challenge"])
    volumes.edit("config/config.yaml", "- histogram\n", "- histogram\n- challenge\n")
    target = f"{FOLDER}/challenge/knn/test.parquet"
    jobs = volumes.run(target)
    assert jobs["take_embeddings"] == jobs["unit_embeddings"] == jobs["knn"] == 1
    assert jobs["embed"] == 0

    def assert_nearest():
        pool = pd.read_parquet(volumes / FOLDER / "catalog.parquet")
        of_unit = {each.id: drawn[int(each.path[1:3])] for each in pool.itertuples()}
        train = pool.loc[pool["split"] == "train", "id"].tolist()
        table = pd.read_parquet(volumes / target)
        for query, rows in table.groupby("query"):
            nearest = sorted(train, key=lambda each: -cosine(of_unit[query], of_unit[each]))
            assert rows.sort_values("rank")["neighbor"].tolist() == nearest[:4]

    assert_nearest()
    drawn[3] = -drawn[3]
    with h5py.File(folder / "s03.h5", "w") as file:
        file["y_hat"] = drawn[3][None]
    assert volumes.run(target)["take_embeddings"] == 1
    assert_nearest()
    assert "Nothing to be done" in volumes.snakemake("--dry-run", target)
