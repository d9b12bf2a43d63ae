"""What a file of embeddings depends on, and how it is recorded in the file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from radcbir import __version__
from radcbir.core.files import digest_of


@dataclass(frozen=True)
class Job:
    """What the vectors of a job depend on. It is recorded beside them."""

    model: str
    """The slug of the model."""
    card: Mapping
    """The meaning of its card (:func:`radcbir.cards.model_card.card_meaning`)."""
    code: str
    """What identifies the code that makes the vectors: its versions as text, or its digest."""
    dataset: str = ""
    """The dataset of the images; empty for query images."""
    intensity: Mapping | None = None
    """The policy for values that have units; None where no images are read."""
    storage: str = "float32"
    """The type of the numbers that are kept."""

    def provenance(self, weights_sha256: str, libraries: Mapping[str, str]) -> dict[str, str]:
        """The attributes of the file that say what made it.

        ``libraries`` are the versions of the libraries beside this one.
        """
        found = {
            "model": self.model,
            "dataset": self.dataset,
            "card": json.dumps(self.card, sort_keys=True),
            "card_digest": digest_of(self.card),
            "weights_sha256": weights_sha256,
            "libraries": json.dumps({"radcbir": __version__, **libraries}, sort_keys=True),
            "code": self.code,
        }
        if self.intensity is not None:
            found["intensity"] = json.dumps(self.intensity, sort_keys=True)
        return found
