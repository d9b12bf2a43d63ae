"""Whether another runtime than torch's own, one operation after the other, computes the same
vectors.
"""

import torch

from radcbir.core.errors import InputError
from radcbir.encoders.network import NetworkEncoder

TOLERANCE = 1e-4
"""By how much the vectors may differ in float32, as a share of their largest number."""


class Refused(InputError):
    """A network that a runtime cannot take over, whereas torch itself can compute it."""


def example(encoder: NetworkEncoder, images: int) -> torch.Tensor:
    """A batch of noise as the encoder's network takes it, shape (images, channels, height,
    width), the same each time.
    """
    values = torch.randn(
        (images, encoder.channels, *encoder.size), generator=torch.Generator().manual_seed(0)
    )
    return values.to(encoder.device).contiguous(memory_format=encoder.layout)


def compare(found: torch.Tensor, expected: torch.Tensor, slug: str, runtime: str) -> None:
    """Raise :class:`Refused` where the vectors that a runtime computed are not those of torch."""
    if (
        found.shape != expected.shape
        or not (found - expected).abs().max() <= TOLERANCE * expected.abs().max()
    ):
        raise Refused(
            f"{runtime} computes other vectors than torch for the model '{slug}': say `runtime: "
            "torch` for it"
        )
