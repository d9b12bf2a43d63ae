"""How alike two images are: the structural similarity."""

import numpy as np
from scipy.ndimage import gaussian_filter

SIGMA, RADIUS = 1.5, 5

STABLE = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def structural_similarity(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """SSIM ``(n,)`` of images ``(n, h, w)`` of 8 bit: 1 for the same image, about 0 for unrelated ones.

    Gaussian windows of 11 x 11 pixels with sigma 1.5, K1 = 0.01, K2 = 0.03, the mean over all windows
    that lie within the image (Wang, Bovik, Sheikh, Simoncelli, *IEEE Trans. Image Processing* 13,
    2004, 600-612).
    """
    one, other = one.astype(np.float64), other.astype(np.float64)
    mean_one, mean_other = _windows(one), _windows(other)
    spread_one = _windows(one**2) - mean_one**2
    spread_other = _windows(other**2) - mean_other**2
    together = _windows(one * other) - mean_one * mean_other
    light = (2 * mean_one * mean_other + STABLE[0]) / (mean_one**2 + mean_other**2 + STABLE[0])
    shape = (2 * together + STABLE[1]) / (spread_one + spread_other + STABLE[1])
    return (light * shape).mean(axis=(1, 2))


def _windows(images: np.ndarray) -> np.ndarray:
    """The weighted mean of each window."""
    smooth = gaussian_filter(images, (0, SIGMA, SIGMA), radius=(0, RADIUS, RADIUS))
    return smooth[:, RADIUS:-RADIUS, RADIUS:-RADIUS]
