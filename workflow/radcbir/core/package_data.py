"""Files that come with the library: schemas, model cards, prompts.

In a checkout of the workflow they are beside the library, in an installed package inside it.
"""

from pathlib import Path

LIBRARY = Path(__file__).parents[1]


def _data(inside: str, beside: Path) -> Path:
    installed = LIBRARY / inside
    return installed if installed.exists() else beside


def schema(name: str) -> Path:
    """The file of a JSON schema, by its name without ``.schema.json``."""
    folder = _data("schemas", LIBRARY.parent / "schemas")
    return folder / f"{name}.schema.json"


def model_cards() -> Path:
    """The folder of the model cards that come with the library."""
    return _data("config/models", LIBRARY.parents[1] / "config" / "models")


def prompts() -> Path:
    """The file of prompt templates that comes with the library."""
    return _data("config/prompts.yaml", LIBRARY.parents[1] / "config" / "prompts.yaml")
