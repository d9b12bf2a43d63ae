"""The twelve perturbations: what they are called, and the amount of each severity.

Lengths are shares of the image or *units*: 1/224 of its shorter side, so that a radiograph of 3,000
pixels and a thumbnail are changed alike.

Severities of noise, blur, JPEG and downsampling are those of ImageNet-C (Hendrycks & Dietterich,
ICLR 2019, ``gaussian_noise``, ``gaussian_blur``, ``jpeg_compression``, ``pixelate``), which has them
for images of 224 pixels. Bias fields are polynomials of order 3 (Sudre, Cardoso & Ourselin, *Medical
Image Analysis* 35, 2017). Inversion is Pillow's ``solarize``, whose last step is a gray scale read the
wrong way round (DICOM's MONOCHROME1). The amounts of the others were chosen by eye, from hardly visible
to worse than in practice. Gamma and characters are also among the corruptions of MedMNIST-C (Di Salvo,
Doerrich & Ledig, arXiv 2406.17536), with amounts for each of its datasets.
"""

from collections.abc import Sequence
from dataclasses import dataclass

VERSION = 1
"""Raise it when perturbed pixels change (:mod:`radcbir.analyses.robustness.perturbations`)."""


@dataclass(frozen=True)
class Perturbation:
    """One kind of change."""

    title: str
    """What it is called on pages."""
    unit: str
    """What the amounts count."""
    amounts: Sequence[float]
    """The amount of each severity, 1 to 5."""


PERTURBATIONS = {
    "noise": Perturbation(
        "noise",
        "standard deviation as a share of the gray scale, in grains of one unit",
        (0.08, 0.12, 0.18, 0.26, 0.38),
    ),
    "blur": Perturbation("blur", "sigma of a Gaussian in units", (1, 2, 3, 4, 6)),
    "jpeg": Perturbation("JPEG", "quality", (25, 18, 15, 10, 7)),
    "gamma": Perturbation("gamma", "exponent, or one over it (drawn)", (1.2, 1.4, 1.7, 2.1, 2.6)),
    "window": Perturbation(
        "window",
        "the center moves by half this share of the width, the width becomes wider or narrower by it",
        (0.1, 0.2, 0.3, 0.45, 0.6),
    ),
    "rotation": Perturbation("rotation", "degrees, either way", (3, 6, 10, 15, 30)),
    "shift": Perturbation(
        "shift",
        "share of width and height, black where nothing is left",
        (0.03, 0.06, 0.1, 0.15, 0.25),
    ),
    "crop": Perturbation(
        "crop", "share of width and height that is kept", (0.95, 0.9, 0.8, 0.7, 0.55)
    ),
    "downsampling": Perturbation(
        "downsampling",
        "shorter side over that of the image, or over 224 pixels if it has more",
        (0.6, 0.5, 0.4, 0.3, 0.25),
    ),
    "bias_field": Perturbation(
        "bias field", "the factor by which brightness changes at most", (1.5, 2, 3, 5, 8)
    ),
    "inversion": Perturbation(
        "inversion",
        "share of the gray scale above which grays are inverted; at 0 all are",
        (0.8, 0.6, 0.4, 0.2, 0),
    ),
    "text": Perturbation(
        "burned-in text", "lines, each 6 % of the shorter side high", (1, 2, 3, 5, 8)
    ),
}
"""By name, in the order in which they are shown."""
