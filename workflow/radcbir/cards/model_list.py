"""The model cards as a table for readers: what each encoder is, under what terms, and whether it
can run now.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from radcbir.cards.model_card import (
    BENCHMARKS,
    NOT_STATED,
    has_text,
    is_control,
    seen_benchmarks,
    weights_files,
)

COLUMNS = (
    "model",
    "name",
    "family",
    "dimension",
    "input",
    "text",
    "licence",
    "gated",
    "weights",
    "has seen",
)


def model_rows(cards: Mapping[str, Mapping], weights: str | Path) -> list[dict[str, str]]:
    """One row per card (slug -> card), :data:`COLUMNS` as text; ``weights`` is the folder of the
    models' folders.
    """
    rows = []
    for slug, card in cards.items():
        size = card.get("preprocessing", {}).get("size")
        values = (
            slug,
            card["name"],
            card["loader"],
            str(card.get("dimension", NOT_STATED)),
            input_size(size),
            "yes" if has_text(card) else "no",
            card.get("licence", NOT_STATED),
            "yes" if card.get("gated") else "no",
            weights_at_hand(slug, card, weights),
            ", ".join(seen_benchmarks(card)) or "none known",
        )
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def input_size(size: int | Sequence[int] | None) -> str:
    """The size of a network's input: pixels of a square's side, height and width in pixels, or the
    voxels of a volume.
    """
    if size is None:
        return "any"
    sides = [size] if isinstance(size, int) else size
    return " x ".join(map(str, sides)) + (" px" if len(sides) < 3 else "")


def weights_at_hand(slug: str, card: Mapping, weights: str | Path) -> str:
    """Whether the files of a card lie in its folder: here, some of them, to fetch, or to be put
    there by hand.
    """
    names = weights_files(card)
    if not names:
        return "none" if is_control(card) else "-"
    found = sum(Path(weights, slug, name).is_file() for name in names)
    if found == len(names):
        return "here"
    by_hand = any("page" in source for source in names.values())
    return f"{found} of {len(names)} here" if found else "by hand" if by_hand else "to fetch"


def as_text(rows: list[dict[str, str]]) -> str:
    """The rows as a table of plain text, columns aligned."""
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in COLUMNS}
    lines = [
        {name: name for name in COLUMNS},
        {name: "-" * widths[name] for name in COLUMNS},
        *rows,
    ]
    table = "\n".join(
        "  ".join(line[name].ljust(widths[name]) for name in COLUMNS).rstrip() for line in lines
    )
    return f"{table}\n\n'has seen' names those of {', '.join(BENCHMARKS)} that are known to be in the training data.\n"


def as_markdown(rows: list[dict[str, str]]) -> str:
    """The rows as a table of Markdown, without what differs from machine to machine."""
    columns = [name for name in COLUMNS if name not in ("weights", "family")]
    lines = [columns, ["---"] * len(columns), *([row[name] for name in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
