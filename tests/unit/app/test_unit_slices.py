"""The slices of series on the page of queries: which belong together, their vectors, the nearest two."""

import numpy as np
import pandas as pd
import pytest

from radcbir.app.units.slices import Slices
from radcbir.core.errors import InputError
from radcbir.embedding import store
from radcbir.retrieval.units.slices import nearest, read_places


@pytest.fixture(scope="module")
def slices(tmp_path_factory):
    """A series of three, of one and of two slices; the last two are one study."""
    table = pd.DataFrame(
        {
            "unit": [70, 70, 70, -5, 2**62, 2**62],
            "id": [3, 1, 2, 9, 8, 7],
            "path": [f"{each}.png" for each in "abcdef"],
            "study_id": ["1.2.3", "1.2.3", "1.2.3", "1.2.4", "1.2.4", "1.2.4"],
            "series_id": ["1.2.3.1", "1.2.3.1", "1.2.3.1", None, "1.2.4.2", "1.2.4.2"],
            "patient_id": "ct:p", "dataset": "ct", "split": "train", "source": None, "age": np.nan,
            "modality": "CT", "region": None, "view": None, "sex": None,
            "instance": np.nan, "position": np.nan,
        }
    )  # fmt: skip
    table["labels"] = [["CT/chest/a"]] * 6
    path = tmp_path_factory.mktemp("units") / "images.parquet"
    table.to_parquet(path, index=False)
    return Slices(path)


def test_slices_belong_to_their_unit_in_their_order(slices):
    assert [slices.ids(each).tolist() for each in (70, -5, 2**62, 71)] == [
        [3, 1, 2],
        [9],
        [8, 7],
        [],
    ]
    # By the id of a slice its own place; by that of a unit its middle one, the first of two.
    assert slices.around(2) == {"rows": [0, 1, 2], "place": 2}
    assert slices.around(70) == {"rows": [0, 1, 2], "place": 1}
    assert slices.around(2**62) == {"rows": [4, 5], "place": 0}
    assert slices.around(9) == {"rows": [3], "place": 0}
    with pytest.raises(InputError, match="not in the catalog"):
        slices.around(4)


def test_units_are_found_by_what_their_slices_are_called(slices):
    assert slices.named("1.2.3") == [70] and slices.named("1.2.3.1") == [70]
    assert slices.named("1.2.4") == [-5, 2**62] and slices.named("1.2.4.2") == [2**62]
    assert slices.named("1.2") == slices.named("") == slices.named("None") == []


def test_the_nearest_slices_are_those_with_the_highest_cosine():
    query = np.array([[1, 0], [0.6, 0.8]], dtype=np.float32)
    unit = np.array([[-1, 0], [0.8, 0.6], [0, 1]], dtype=np.float32)
    # Cosines: -1, 0.8, 0 of the first; -0.6, 0.96, 0.8 of the second.
    assert nearest(query, unit) == (1, 1, pytest.approx(0.96))
    assert nearest(query[:1], unit[[1, 1]])[:2] == (0, 0)  # of equal ones the first


@pytest.mark.parametrize("storage", ["float32", "float16"])
def test_rows_are_read_in_the_order_that_is_asked(tmp_path, storage):
    vectors = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)
    ids = np.arange(20)
    attributes = dict.fromkeys(store.COMMON[1:], "x")
    store.write_shard(tmp_path / "a.h5", ids, vectors, [], attributes, storage)
    places = np.array([7, 3, 4, 19, 5, 0])
    with store.open_embeddings(tmp_path / "a.h5") as file:
        found, nothing = read_places(file, places), read_places(file, places[:0])
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(found, unit[places], atol=1e-6 if storage == "float32" else 1e-3)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert nothing.shape == (0, 3)
