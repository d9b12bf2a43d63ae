"""Numbers in the cells of tables."""

import math


def is_missing(value: object) -> bool:
    """None and NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def three_decimals(value: float | None) -> str:
    """Three decimals, a dash where there is no number."""
    return "" if value is None else f"{value:.3f}"


def heat(value: float | None) -> dict:
    """A table cell whose background runs from white (0) to dark blue (1), with ink that can be read
    on it.
    """
    if value is None:
        return {"value": None, "text": "–", "color": "", "ink": ""}
    channel = [round(255 + (target - 255) * value) for target in (11, 79, 138)]
    return {
        "value": value,
        "text": f"{value:.2f}",
        "color": f"rgb({channel[0]},{channel[1]},{channel[2]})",
        "ink": "#fff" if value > 0.5 else "#1c2430",
    }
