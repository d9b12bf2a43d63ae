"""The environment files of `--sdm conda` against the lock, and against what each rule's script
imports."""

import ast
import re
import sys
from pathlib import Path

import loaded_workflow
import pytest
import yaml

from radcbir.cards import loaders
from radcbir.cards.model_card import RUNTIMES

REPOSITORY = Path(__file__).parents[3]
LOADERS = [each for each in loaders.registry().values() if each.module]
ENVIRONMENTS = sorted((REPOSITORY / "envs").glob("*.yaml"))
IMPORT_NAMES = {
    "pillow": "PIL", "pyyaml": "yaml", "faiss-cpu": "faiss", "huggingface-hub": "huggingface_hub",
    "scikit-learn": "sklearn", "dicomweb-client": "dicomweb_client",
    "open-clip-torch": "open_clip", "pytorch-metric-learning": "pytorch_metric_learning",
}  # fmt: skip


def pins(path: Path) -> dict[str, str]:
    listed = yaml.safe_load(path.read_text())["dependencies"][-1]["pip"]
    return dict(entry.split("==") for entry in listed)


def locked() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, version in re.findall(
        r"^([a-z0-9._-]+)==([^ ;\\]+)", (REPOSITORY / "requirements.lock").read_text(), re.M
    ):
        found.setdefault(name, set()).add(version)
    return found


def scripts() -> dict[Path, str]:
    """Script -> the environment of its rule."""
    found = loaded_workflow.rules().values()
    return {loaded_workflow.script_of(each): loaded_workflow.environment_of(each) for each in found}


def third_party(path: Path, seen: set[Path]) -> set[str]:
    """The top-level names of third-party modules that a file imports, directly or through the
    library."""
    if path in seen:
        return set()
    seen.add(path)
    names, library = set(), REPOSITORY / "workflow/radcbir"
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for module in modules:
            first, *rest = module.split(".")
            if first == "radcbir":
                for file in (
                    library.joinpath(*rest).with_suffix(".py"),
                    library.joinpath(*rest, "__init__.py"),
                ):
                    if file.is_file():
                        names |= third_party(file, seen)
            elif first not in sys.stdlib_module_names:
                names.add(first)
    return names


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_every_pin_is_the_locked_version(path):
    lock = locked()
    assert {
        name: lock.get(name) and version in lock[name] for name, version in pins(path).items()
    } == dict.fromkeys(pins(path), True)


@pytest.mark.parametrize(
    ("script", "environment"), scripts().items(), ids=lambda value: getattr(value, "stem", value)
)
def test_a_script_finds_its_imports_in_its_environment(script, environment):
    seen: set[Path] = set()
    needed = third_party(script, seen)
    if script.stem == "summarise":
        for module in (REPOSITORY / "workflow/radcbir/analyses").glob("*/summary.py"):
            needed |= third_party(module, seen)
    if script.stem == "embed":
        modules = [each.module for each in LOADERS]
        for module in [*modules, *(module for module, _ in RUNTIMES.values())]:
            needed |= third_party(REPOSITORY / f"workflow/{module.replace('.', '/')}.py", seen)
    offered = {
        IMPORT_NAMES.get(name, name) for name in pins(REPOSITORY / f"envs/{environment}.yaml")
    }
    assert needed <= offered
    assert not {"torch", "faiss"} <= needed


def test_the_child_processes_of_the_page_find_their_imports_and_no_faiss():
    seen: set[Path] = set()
    needed = third_party(REPOSITORY / "workflow/radcbir/app/worker.py", seen)
    for loader in LOADERS:
        path = REPOSITORY / f"workflow/{loader.module.replace('.', '/')}.py"
        needed |= third_party(path, seen)
    offered = {IMPORT_NAMES.get(name, name) for name in pins(REPOSITORY / "envs/app.yaml")}
    assert needed <= offered
    assert "torch" in needed
    assert "faiss" not in needed


def test_the_child_process_of_the_search_finds_its_imports_and_no_faiss():
    rules = loaded_workflow.rules()
    using = {name for name, each in rules.items() if "search_device" in each.resources}
    seen: set[Path] = set()
    needed = third_party(REPOSITORY / "workflow/radcbir/retrieval/gpu/worker.py", seen)
    for name in using:
        environment = loaded_workflow.environment_of(rules[name])
        pinned = pins(REPOSITORY / f"envs/{environment}.yaml")
        assert needed <= {IMPORT_NAMES.get(each, each) for each in pinned}
    assert "torch" in needed
    assert "faiss" not in needed


@pytest.mark.parametrize("loader", LOADERS, ids=lambda loader: loader.name)
def test_a_loader_declares_the_libraries_that_its_module_imports(loader):
    path = REPOSITORY / f"workflow/{loader.module.replace('.', '/')}.py"
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name).split(".")[0]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    ours = {"radcbir", "torch", "numpy", "PIL", *sys.stdlib_module_names}
    assert imported - ours <= set(loader.libraries)


def test_every_environment_is_used():
    assert {path.stem for path in ENVIRONMENTS} == set(scripts().values())


def test_the_lock_names_no_host():
    assert not re.search(
        r"https?://|--index|--find-links", (REPOSITORY / "requirements.lock").read_text()
    )
