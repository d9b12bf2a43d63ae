"""Long values of params are short where Snakemake prints and records them."""

import pickle

from radcbir.core.digested import Digested

CARDS = {"net": {"name": "Net", "size": [224, 224]}, "floor": {"name": "floor"}}


def test_a_change_is_seen_by_what_is_written():
    written = repr(Digested(CARDS))
    assert len(written) < 30 and "Net" not in written
    assert written == str(Digested(CARDS)) == f"{Digested(CARDS)}"
    assert repr(Digested(CARDS | {"floor": {"name": "flooR"}})) != written
    assert repr(Digested(dict(reversed(CARDS.items())))) != written, "models have an order"


def test_a_script_receives_a_plain_dictionary():
    given = pickle.loads(pickle.dumps(Digested(CARDS)))
    assert type(given) is dict and list(given.items()) == list(CARDS.items())
