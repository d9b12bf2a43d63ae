"""Numbers as they are written in figures and in the cells of tables."""

import math


def is_missing(value: object) -> bool:
    """None and NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def fixed(value: float, decimals: int) -> str:
    """A number with so many decimals, a true minus sign, and no minus before zero."""
    text = f"{value:.{decimals}f}"
    return text.replace("-", "−" if float(text) else "")


def signed(value: float, decimals: int) -> str:
    """The same with a sign; zero has none."""
    text = fixed(value, decimals)
    return f"+{text}" if value > 0 and float(text) else text


def as_sure(value: float, low: float, high: float) -> str:
    """A value between 0 and 1 with as many decimals as its 95 % interval allows: two where the
    interval is wider than 0.02, otherwise three.
    """
    return fixed(value, decimals(low, high))


def interval(low: float, high: float) -> str:
    """An interval in the same way; nothing where it is missing."""
    if math.isnan(low):
        return ""
    digits = decimals(low, high)
    return f"{fixed(low, digits)} – {fixed(high, digits)}"


def decimals(low: float, high: float) -> int:
    """How many decimals a 95 % interval allows; three where there is none."""
    return 2 if high - low > 0.02 else 3


def three_decimals(value: float | None) -> str:
    """Three decimals, nothing where there is no number."""
    return "" if value is None else fixed(value, 3)


def heat(value: float | None) -> dict:
    """A table cell whose background runs from white (0) to dark blue (1), with ink that can be read
    on it.
    """
    if value is None:
        return {"value": None, "text": "–", "color": "", "ink": ""}
    channel = [round(255 + (target - 255) * value) for target in (11, 79, 138)]
    return {
        "value": value,
        "text": fixed(value, 2),
        "color": f"rgb({channel[0]},{channel[1]},{channel[2]})",
        "ink": "#fff" if value > 0.5 else "#1c2430",
    }
