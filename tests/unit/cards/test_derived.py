"""Cards of adapted and reranked models: what follows from their base, and what is refused."""

import pytest
import yaml

from radcbir.cards import model_card
from radcbir.core.errors import InputError
from radcbir.project.configuration import Project

CONTROL = {"loader": "control", "licence": "none", "architecture": "thumbnail", "dimension": 256}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images.csv").write_text("filepath,split,label\n")
    cards = {
        "base": {"name": "Base", "training_data": ["A"], **CONTROL},
        "lists": {"name": "Lists", "loader": "precomputed", "path": "lists.csv"},
        "by-score": {"name": "F", "loader": "fusion", "licence": "x", "fusion": {"of": ["base", "twin"], "by": "score"}},
        "twin": {"name": "Twin", **CONTROL},
        "lda": {"name": "L", "loader": "adapted", "licence": "x", "adapted": {"of": "base", "by": "lda"}},
        "qe": {"name": "Q", "loader": "reranked", "licence": "x", "reranked": {"of": "lda", "by": "query_expansion", "alpha": 2}},
    }  # fmt: skip
    for slug, card in cards.items():
        (tmp_path / f"{slug}.yaml").write_text(yaml.safe_dump(card))
    return tmp_path


def project(folder, models=("base", "qe", "lda"), used=None, **changes):
    for slug, change in changes.items():
        card = yaml.safe_load((folder / f"{slug}.yaml").read_text())
        (folder / f"{slug}.yaml").write_text(yaml.safe_dump(card | change))
    dataset = {"csv": str(folder / "images.csv"), "images": str(folder)}
    experiment = {"datasets": ["a"], "index_split": "train", "query_splits": ["test"]}
    config = {
        "datasets": {"a": dataset},
        "models": list(models),
        "experiments": {"one": experiment | ({"models": used} if used else {})},
        "analyses": ["gallery"],
    }
    return Project(config, [folder])


def test_a_derived_card_takes_from_its_base_what_follows(folder):
    found = project(folder)
    assert found.cards["qe"]["training_data"] == found.cards["lda"]["training_data"] == ["A"]
    assert model_card.is_control(found.cards["lda"]), "it has no learned weights either"
    assert (found.encoded, found.adapted, found.reranked) == (["base"], ["lda"], ["qe"])
    assert found.searched == ["base", "lda"] == found.searched_models("one")
    assert found.models_with_vectors("one") == ["base", "lda"]
    assert found.models_of_dataset("a") == ["base"], "it is embedded for no dataset"
    assert found.sources("qe") == ["base"]
    assert found.meanings["qe"]["how"] == {"by": "query_expansion", "neighbors": 10, "alpha": 2}


def test_its_meaning_changes_with_its_settings_and_with_its_base(folder):
    before = [project(folder).card_digest(each) for each in ("lda", "qe")]
    other = {"adapted": {"of": "base", "by": "wccn"}}
    after = [project(folder, lda=other).card_digest(each) for each in ("lda", "qe")]
    assert all(one != two for one, two in zip(before, after, strict=True))
    base = project(folder, base={"architecture": "histogram", "dimension": 64})
    assert base.card_digest("lda") not in (before[0], after[0])
    named = project(folder, base={"name": "Other"}, lda={"licence": "y"})
    assert named.card_digest("lda") == base.card_digest("lda"), "words change nothing"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"models": ["lda"]}, "'lda' is made from 'base', which `models` does not list"),
        ({"lda": {"adapted": {"of": "lists", "by": "lda"}}, "models": ["lists", "lda"]}, "which has neighbor lists and no embeddings"),
        ({"lda": {"adapted": {"of": "by-score", "by": "lda"}}, "models": ["base", "twin", "by-score", "lda"]}, "a fusion by score, which has no vectors of its own"),
        ({"qe": {"reranked": {"of": "qe", "by": "diffusion"}}}, "is made from another model itself"),
        ({"by-score": {"fusion": {"of": ["base", "lda"], "by": "concatenation"}}, "models": ["base", "lda", "by-score"]}, "a fusion of 'lda', which is made for one experiment from 'base'"),
        ({"used": ["lda"]}, "names 'lda', which is made from 'base' and compared with it"),
        ({"lda": {"adapted": {"of": "base", "by": "lda", "steps": 5}}}, "`adapted: steps` has no use with `by: lda`"),
        ({"lda": {"adapted": {"of": "base", "by": "pca"}}}, "`adapted: by` is 'pca'"),
        ({"qe": {"reranked": {"of": "base", "by": "diffusion", "reach": 1}}}, "`reranked: reach`"),
        ({"lda": {"dimension": 5}}, "`dimension` has no use with `loader: adapted`"),
    ],
)  # fmt: skip
def test_a_wrong_card_is_named(folder, arguments, message):
    with pytest.raises(InputError) as caught:
        project(folder, **arguments)
    assert message in str(caught.value)


def test_every_card_of_the_folder_is_listed_with_its_base(folder):
    found = project(folder).available_cards()
    assert found["lda"]["architecture"] == "LDA of Base"
    assert found["qe"]["architecture"] == "query expansion of L"
