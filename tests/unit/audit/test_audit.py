"""The audit: duplicates against a plain search, leaks and oddities that were put there, and what
stops a run."""

import json

import imagehash
import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageEnhance

from radcbir.audit import gate, near_duplicates
from radcbir.audit.finding import FINDING_COLUMNS
from radcbir.audit.findings import audit
from radcbir.audit.inspect import inspect_images
from radcbir.core.errors import InputError
from radcbir.images.intensity import INTENSITY
from radcbir.project.configuration import CONFIG_SCHEMA

# --- near pairs ---


@pytest.mark.parametrize("distance", [0, 1, 4, 7])
def test_near_pairs_are_those_of_a_plain_search(distance):
    random = np.random.default_rng(distance)
    centres = random.integers(0, 2**63, 12, dtype=np.uint64)

    def around(count):
        hashes = random.choice(centres, count)
        for _ in range(4):
            hashes ^= np.uint64(1) << random.integers(0, 64, count, dtype=np.uint64)
        return np.concatenate([hashes, hashes[:5], random.integers(0, 2**63, 30, dtype=np.uint64)])

    left, right = around(60), around(90)
    first, second, apart = near_duplicates.near_pairs(left, right, distance)
    found = {(int(a), int(b)): int(d) for a, b, d in zip(first, second, apart, strict=True)}
    assert len(found) == len(first)
    expected = {
        (a, b): bin(int(left[a]) ^ int(right[b])).count("1")
        for a in range(len(left))
        for b in range(len(right))
        if bin(int(left[a]) ^ int(right[b])).count("1") <= distance
    }
    assert found == expected
    assert len(expected) > 10 or distance < 2


def test_near_pairs_in_small_blocks_and_of_nothing(monkeypatch):
    random = np.random.default_rng(0)
    left, right = (random.integers(0, 40, 200, dtype=np.uint64) for _ in range(2))
    whole = near_duplicates.near_pairs(left, right, 2)
    monkeypatch.setattr(near_duplicates, "BLOCK", 7)
    assert all(
        (a == b).all()
        for a, b in zip(whole, near_duplicates.near_pairs(left, right, 2), strict=True)
    )
    assert [len(each) for each in near_duplicates.near_pairs(left[:0], right, 2)] == [0, 0, 0]
    assert [len(each) for each in near_duplicates.near_pairs(left, right[:0], 2)] == [0, 0, 0]
    monkeypatch.setattr(near_duplicates, "MAX_PAIRS", 10)
    with pytest.raises(InputError, match="lower `audit: distance:`"):
        near_duplicates.near_pairs(left, right, 2)


# --- one look at every image ---


def picture(seed, size=(64, 64)):
    """Blurred noise: an image with a shape of its own."""
    small = np.random.default_rng(seed).integers(0, 255, (8, 8), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def looked_at(tmp_path, images):
    """The inspections of images given by name; ids follow the order."""
    for name, image in images.items():
        image.save(tmp_path / name) if image else (tmp_path / name).write_text("no image")
    lines = [f"{number}\t{name}\t1" for number, name in enumerate(images)]
    (tmp_path / "shard.tsv").write_text("\n".join(["id\tpath\tbytes", *lines]) + "\n")
    return inspect_images(tmp_path / "shard.tsv", "chest", tmp_path, INTENSITY, 2)


def test_an_image_is_told_by_its_pixels_and_not_by_its_file(tmp_path):
    first = picture(1)
    table = looked_at(
        tmp_path,
        {"a.png": first, "a.tif": first, "brighter.png": ImageEnhance.Brightness(first).enhance(1.1), "b.png": picture(2), "bad.png": None},
    )  # fmt: skip
    digests, hashes = table["digest"].tolist(), table["hash"].tolist()
    assert digests[0] == digests[1] != digests[2]
    assert [bin(hashes[0] ^ each).count("1") <= 4 for each in hashes[:4]] == [
        True,
        True,
        True,
        False,
    ]
    assert hashes[0] == int(str(imagehash.phash(first)), 16)
    assert table["reason"].tolist() == ["", "", "", "", "not an image"]
    assert table.loc[0, ["kind", "width", "height"]].tolist() == ["uint8", 64, 64]


# --- conclusions ---


def pooled(rows):
    """A pooled catalog of (split, label, patient, study)."""
    table = pd.DataFrame(rows, columns=["split", "label", "patient_id", "study_id"])
    table["patient_id"] = "chest:" + table["patient_id"]
    table["labels"] = [[label] for label in table["label"]]
    return table.assign(
        id=range(len(table)),
        dataset="chest",
        path=[f"{number}.png" for number in range(len(table))],
    )


def findings(catalog, inspected=None, shared="refuse", distance=4, max_rejected=0.2):
    allowed = {"chest": max_rejected}
    found = audit(catalog, inspected, "x", "train", ["val", "test"], shared, distance, allowed)
    return found, {(row.check, row.severity): row for row in found.findings.itertuples()}


def test_patients_and_studies_in_two_splits():
    catalog = pooled(
        [("train", "A/b/c", "1", "s1"), ("test", "A/b/c", "1", "s1"), ("val", "A/b/c", "2", "s2"), ("test", "A/b/c", "2", "s2"),
         ("train", "A/b/c", None, "s3"), ("test", "A/b/c", None, "s3")]
    )  # fmt: skip
    _, found = findings(catalog)
    row = found["shared_patients", "serious"]
    assert (row.what, row.count, row.examples) == ("the splits 'train' and 'test' of experiment 'x' share 1 patient", 1, "chest:1")  # fmt: skip
    assert found["shared_patients", "notice"].what.startswith("the splits 'val' and 'test'")
    assert found["shared_studies", "serious"].examples == "chest:s3"
    assert found["missing_patients", "notice"].count == 2
    allowed = findings(catalog, shared="allow")[0].findings.to_dict("records")
    assert any(row["check"] == "shared_patients" for row in allowed)
    gate.refuse(allowed, ["shared_patients", "shared_studies"], "audit.html")


def test_names_that_stand_for_no_patient():
    names = [
        "nan",
        "None",
        "unknown",
        "Unknown",
        "0",
        "0",
        "N/A",
        "-",
        "",
        "p1",
        "p1",
        "p2",
        "007",
        None,
    ]
    names += ["Anna", "Nancy", "X1", "anonymous7"]
    catalog = pooled([("train", "A/b/c", name, None) for name in names])
    _, found = findings(catalog)
    row = found["placeholder_patients", "warning"]
    assert row.count == 9
    assert row.what == "9 images of the dataset 'chest' have a patient whose name says that none is known"  # fmt: skip
    assert row.examples.startswith("'0': 2 images; ") and "'nan': 1 images" in row.examples


@pytest.mark.parametrize(
    ("zeros", "others", "counted"),
    [
        (2, ["1", "1", "2", "2"], True),  # patients counted from zero
        (3, ["1", "1", "2", "2"], False),  # more images than any patient has
        (1, ["2", "3"], False),  # no patient 1
        (4, [], False),
    ],
)
def test_a_zero_may_be_the_first_of_a_count(zeros, others, counted):
    catalog = pooled([("train", "A/b/c", name, None) for name in ["0"] * zeros + others])
    _, found = findings(catalog)
    assert (("placeholder_patients", "warning") not in found) == counted


def test_labels_that_differ_in_case_or_spacing():
    names = ["XR/chest/No Finding", "XR/chest/No_finding", "XR/Chest/no  finding", "XR/chest/Mass"]
    _, found = findings(
        pooled([("train", name, str(number), None) for number, name in enumerate(names)])
    )
    row = found["labels_alike", "serious"]
    assert row.count == 3 and "'XR/chest/No_finding'" in row.what and "Mass" not in row.what


def test_labels_of_images_that_have_several_are_compared_too():
    catalog = pooled([("train", "XR/chest/Mass", "1", None), ("test", "XR/chest/Mass", "2", None)])
    catalog["label"] = ["XR/chest/Mass", None]
    catalog["labels"] = [["XR/chest/Mass"], ["XR/chest/mass", "XR/chest/Edema"]]
    _, rows = findings(catalog)
    assert rows["labels_alike", "serious"].count == 2
    assert "unanswerable_classes" not in {check for check, _ in rows}


def test_classes_that_cannot_be_answered_for():
    listed = [("train", "A/b/c"), ("train", "A/b/e"), ("test", "A/b/d"), ("test", "A/b/e"), ("val", "A/b/e")]  # fmt: skip
    found, rows = findings(pooled([(*each, str(n), None) for n, each in enumerate(listed)]))
    assert rows["unanswerable_classes", "warning"].examples == "A/b/d"
    assert rows["unasked_classes", "notice"].examples == "A/b/c"
    assert len(rows) == 2
    assert found.classes.to_dict("list") == {
        "label": ["A/b/c", "A/b/d", "A/b/e"],
        "train": [1, 0, 1],
        "val": [0, 0, 1],
        "test": [0, 1, 1],
    }


def test_no_query_with_an_answer_and_one_label_alone_are_said_in_one_sentence():
    _, rows = findings(pooled([("train", "A/b/c", "1", None), ("test", "A/b/d", "2", None), ("val", "A/b/c", "3", None)]))  # fmt: skip
    assert rows["no_answerable_query", "warning"].what == (
        "no query of the split 'test' can be answered: no index image (split 'train') has the "
        "label of a query, so that there are no figures"
    )
    assert ("unanswerable_classes", "warning") not in rows
    _, rows = findings(pooled([(split, "A/b/c", split, None) for split in ("train", "val", "test")]))  # fmt: skip
    assert list(rows) == [("single_class", "warning")]
    assert "one label, 'A/b/c'" in rows["single_class", "warning"].what
    [said] = gate.sentences([each._asdict() for each in rows.values()])
    assert said.endswith("every figure is 1: add images with another label, or correct the labels")


def test_queries_with_several_labels_are_answered_by_an_image_that_shows_one_of_them():
    catalog = pooled([(split, "A/b/c", split, None) for split in ("train", "val", "test")])
    catalog["label"] = None
    catalog["labels"] = [["A/b/c", "A/b/d"], ["A/b/d", "A/b/e"], ["A/b/e", "A/b/f"]]
    _, rows = findings(catalog)
    assert list(rows) == [("no_answerable_query", "warning")]
    assert "no query of the split 'test'" in rows["no_answerable_query", "warning"].what


@pytest.mark.parametrize("allowed, severity", [(0.1, "serious"), (0.5, "warning")])
def test_unreadable_images_beyond_max_rejected_stop_the_run(tmp_path, allowed, severity):
    images = {f"{n}.png": None if n < 2 else picture(n) for n in range(6)}
    listed = [("train", "val", "test")[n % 3] for n in range(6)]
    catalog = pooled([(split, f"A/b/{n // 3}", str(n), None) for n, split in enumerate(listed)])
    # an image that the experiment leaves out counts for its dataset all the same
    found, rows = findings(catalog[1:], looked_at(tmp_path, images), max_rejected=allowed)
    row = rows["unreadable", severity]
    assert row.what.startswith("2 of 6 images of the dataset 'chest' cannot be read")
    assert row.examples == "0.png (not an image); 1.png (not an image)"
    if severity == "warning":
        return gate.refuse(found.findings.to_dict("records"), [], "audit.html")
    for stop_on in ([], ["unreadable"]):
        with pytest.raises(InputError) as error:
            gate.refuse(found.findings.to_dict("records"), stop_on, "audit.html")
        assert str(error.value).endswith(
            "more than its `max_rejected: 0.1` allows (0.png (not an image); 1.png (not an "
            "image)): repair the files, or raise `max_rejected:` of the dataset; the findings are "
            "in audit.html"
        )


def test_images_with_several_labels_count_for_each():
    catalog = pooled([("train", "A/b/c", "1", None), ("test", "A/b/c", "2", None)])
    catalog["labels"] = [["A/b/c", "A/b/d"], ["A/b/D"]]
    found, rows = findings(catalog.assign(label=None))
    assert "'A/b/D' and 'A/b/d'" in rows["labels_alike", "serious"].what
    assert found.classes["train"].tolist() == [0, 1, 1] and found.classes["test"].tolist() == [
        1,
        0,
        0,
    ]


def test_a_dataset_without_images_is_audited_by_its_tables(tmp_path):
    inspected = looked_at(tmp_path, {"0.png": picture(1), "1.png": picture(2)})
    catalog = pooled(
        [
            (split, f"A/b/{number // 2}", str(number), None)
            for number, split in enumerate(["train", "test"] * 2)
        ]
    )
    catalog.loc[2:, "dataset"] = "published"
    assert findings(catalog, inspected)[0].findings.empty
    with pytest.raises(ValueError, match="were not looked at"):
        findings(catalog, inspected.iloc[:1])


def test_duplicates_across_splits_and_oddities(tmp_path):
    first, second = picture(1), picture(2)
    blank = Image.new("L", (64, 64), 9)
    inspected = looked_at(
        tmp_path,
        {"0.png": first, "1.png": first, "2.png": ImageEnhance.Brightness(first).enhance(1.1), "3.png": second, "4.png": blank,
         "5.png": blank, "6.png": second, "7.png": picture(3, (20, 300)), "8.png": None, "9.tif": Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64))},
    )  # fmt: skip
    splits = ["train", "test", "val", "train", "train", "test", "train", "test", "val", "train"]
    labels = ["A/b/c"] * 6 + ["A/b/d"] + ["A/b/c"] * 3
    catalog = pooled([(split, label, str(number), None) for number, (split, label) in enumerate(zip(splits, labels, strict=True))])  # fmt: skip
    found, rows = findings(catalog, inspected)
    row = rows["exact_duplicates", "serious"]
    assert (row.count, row.examples) == (1, "1.png = 0.png")
    assert rows["exact_duplicates", "notice"].examples == "6.png"
    assert rows["conflicting_labels", "warning"].examples == "3.png (A/b/c); 6.png (A/b/d)"
    near = rows["near_duplicates", "warning"]
    assert near.count == 1 and near.examples.startswith("2.png ~ 0.png")
    pairs = {(row.image, row.other) for row in found.near.itertuples()}
    assert pairs == {(1, 0), (0, 1), (2, 0), (0, 2)}, (
        "blank images are not duplicates of one another"
    )
    assert list(found.near.columns) == ["image", "other", "distance"]
    assert found.near.set_index(["image", "other"]).loc[(1, 0), "distance"] == 0
    assert rows["odd_range", "warning"].examples == "4.png; 5.png"
    assert "7.png" in found.findings.loc[found.findings["check"] == "odd_size", "examples"].tolist()
    assert rows["unreadable", "warning"].examples == "8.png (not an image)"
    assert rows["pixel_types", "notice"].examples == "uint16: 1; uint8: 8"
    assert found.findings["severity"].tolist() == sorted(found.findings["severity"], key=["serious", "warning", "notice"].index)  # fmt: skip


def test_nothing_is_found_in_sound_data(tmp_path):
    inspected = looked_at(tmp_path, {f"{number}.png": picture(number) for number in range(6)})
    catalog = pooled(
        [
            (split, f"A/b/{number // 3}", str(number), None)
            for number, split in enumerate(["train", "val", "test"] * 2)
        ]
    )
    found, _ = findings(catalog, inspected)
    assert found.findings.empty and found.near.empty
    assert list(found.findings.columns) == FINDING_COLUMNS


# --- what stops a run ---

FOUND = [
    {
        "check": "shared_patients",
        "severity": "serious",
        "what": "the splits share 2 patients",
        "examples": "a; b",
    },
    {
        "check": "near_duplicates",
        "severity": "warning",
        "what": "3 images look alike",
        "examples": "",
    },
    {
        "check": "exact_duplicates",
        "severity": "notice",
        "what": "2 images repeat another",
        "examples": "",
    },
]


def test_the_run_is_stopped_by_what_the_configuration_names():
    with pytest.raises(InputError) as error:
        gate.refuse(FOUND, ["shared_patients", "near_duplicates"], "audit.html")
    assert str(error.value) == (
        "the splits share 2 patients (a; b): split by patient, or set `shared_patients: allow` and read the figures without "
        "same-patient neighbors; to continue anyway, remove 'shared_patients' from `audit: stop_on:`; the findings "
        "(1 more of them stop the run) are in audit.html"
    )
    with pytest.raises(InputError, match="3 images look alike: look at the pairs"):
        gate.refuse(FOUND, ["near_duplicates"], "audit.html")
    gate.refuse(FOUND, ["exact_duplicates"], "audit.html")
    gate.refuse(FOUND, [], "audit.html")


def test_the_schema_lists_the_checks_that_there_are():
    schema = json.loads(CONFIG_SCHEMA.read_text())["properties"]["audit"]["properties"]["stop_on"]
    assert schema["items"]["enum"] == list(gate.CHECKS)
    assert set(schema["default"]) <= set(gate.CHECKS)


def test_analyses_without_an_image_of_one_label_are_refused_by_name():
    counts = pd.DataFrame(
        [("a", "train", 5, 2), ("b", "train", 1, 1), ("a", "test", 3, 3), ("b", "test", 2, 2)],
        columns=["dataset", "split", "taken", "several_labels"],
    )
    with pytest.raises(InputError) as error:
        gate.refuse_without_one_label(counts, "x", ["levels", "leakage"], ["map", "gallery"])
    assert str(error.value) == (
        "experiment 'x' has no image with exactly one label in its split 'test', and these analyses "
        "measure only such images: levels, leakage. Give the experiment the others alone: `analyses: "
        "[map, gallery]`"
    )
    gate.refuse_without_one_label(counts, "x", [], ["map"])
    counts.loc[3, "taken"] = 3
    gate.refuse_without_one_label(counts, "x", ["levels"], [])
