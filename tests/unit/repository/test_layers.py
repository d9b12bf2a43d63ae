"""The packages of the library: none imports a later one, none is large."""

import ast
from collections import Counter
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
LIBRARY = TESTS.parent / "workflow" / "radcbir"
ORDER = [
    "core", "images", "datasets", "audit", "cards", "fetch", "encoders", "pixels", "embedding",
    "retrieval", "metrics", "export", "report", "analyses", "front_page", "query", "project", "app",
]  # fmt: skip
MODULES = sorted(LIBRARY.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The packages of the library that a module imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "radcbir":
            parts = (node.module or "").split(".")[1:]
            found |= {parts[0]} if parts else {alias.name for alias in node.names}
    return found & set(ORDER)


def test_every_package_has_its_place():
    assert {path.name for path in LIBRARY.iterdir() if (path / "__init__.py").exists()} == set(
        ORDER
    )


@pytest.mark.parametrize(
    "path",
    [each for each in MODULES if each.parent != LIBRARY],
    ids=lambda each: str(each.relative_to(LIBRARY)),
)
def test_no_package_imports_a_later_one(path):
    package = path.relative_to(LIBRARY).parts[0]
    later = ORDER[ORDER.index(package) + 1 :]
    assert not imported(path) & set(later)


def test_no_module_is_long_and_no_package_crowded():
    long = {str(path.relative_to(LIBRARY)): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: lines for name, lines in long.items() if lines > 400} == {}
    folders = {path.parent for path in MODULES}
    crowded = {str(each.relative_to(LIBRARY)): len(list(each.glob("*.py"))) for each in folders}
    assert {name: count for name, count in crowded.items() if count > 13} == {}


def test_snakemake_is_no_part_of_the_library():
    for path in MODULES:
        assert "import snakemake" not in path.read_text(), path


def test_no_two_test_files_have_one_name():
    """pytest imports them by name: the second of a name cannot be collected."""
    names = Counter(path.name for path in TESTS.rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
