"""Transformers of volumes with few and narrow layers, for tests."""

from radcbir.encoders.loaders import primus_encoder, spectre_encoder

PRIMUS, SPECTRE = primus_encoder.Shape(72, 2, 2), spectre_encoder.Shape(48, 4, 2, 2)


def known(monkeypatch):
    """Let cards name them: `primus-tiny` and `spectre-tiny`."""
    monkeypatch.setitem(primus_encoder.ARCHITECTURES, "primus-tiny", PRIMUS)
    monkeypatch.setitem(spectre_encoder.ARCHITECTURES, "spectre-tiny", SPECTRE)
