"""Digest of the code that a rule's script can reach: the rule reruns when that code changes in
meaning.

Snakemake sees a change of the script file itself and nothing behind it. Here the script's syntax
tree is followed through the library, definition by definition: a function counts only if the script
uses it, directly or through other definitions that count. Comments, docstrings and formatting are
no change. The walk errs on the side of a rerun: a name counts wherever it appears, a class counts
whole, and so do statements that run when a module is imported.
"""

import ast
import atexit
import contextlib
import functools
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from radcbir.core.files import digest, write_text

LIBRARY = Path(__file__).parents[1]

PACKAGE = LIBRARY.name

WITHOUT_EFFECT = {f"{PACKAGE}.core.logs"}
"""Modules whose code cannot change a result: how progress is worded is no reason to embed a million
images again."""


def code_digest(script: str | Path, modules: Iterable[str] = ()) -> str:
    """Digest (16 hexadecimal digits) of ``script`` and of every library definition that it reaches.

    ``modules`` names library modules that the script loads by a name known only at run time (a
    loader); they count whole.
    """
    reached: dict[tuple[str, str], str] = {}
    pending: list[tuple[str, str]] = [(name, "*") for name in modules]
    tree = _without_docstrings(ast.parse(Path(script).read_text(encoding="utf-8")))
    reached["", "script"] = ast.unparse(tree)
    pending += _references(tree, _imports(tree))
    while pending:
        key = pending.pop()
        if key in reached or key[0] in WITHOUT_EFFECT:
            continue
        source, references = _definition(*key)
        reached[key] = source
        pending += references
    return digest("\n".join(f"{key}\n{source}" for key, source in sorted(reached.items())).encode())


class CodeDigests:
    """The digests of the scripts in a folder, kept in a file from run to run: every start of
    Snakemake asks for them all.

    The file holds for the code that it was made from, byte by byte, and for one version of Python;
    otherwise it is made anew. Where it cannot be written, nothing is kept and nothing is lost.
    """

    def __init__(self, scripts: str | Path, cache: str | Path):
        self.scripts, self.cache = Path(scripts), Path(cache)
        folders = (LIBRARY, self.scripts)
        files = [
            (path.relative_to(folder), path)
            for folder in folders
            for path in sorted(folder.rglob("*.py"))
        ]
        contents = [f"{name}\n".encode() + path.read_bytes() for name, path in files]
        self.fingerprint = digest(b"\n".join([sys.version.encode(), *contents]))
        self.digests: dict[str, str] = {}
        self.changed = False
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(self.cache.read_text(encoding="utf-8"))
            if kept["code"] == self.fingerprint:
                self.digests = dict(kept["digests"])

    def of(self, script: str, modules: Iterable[str] = ()) -> str:
        """:func:`code_digest` of the script of that name; the file is written when the process
        ends.
        """
        key = " ".join((script, *modules))
        if key not in self.digests:
            if not self.changed:
                atexit.register(self.save)
            self.changed = True
            self.digests[key] = code_digest(self.scripts / script, modules)
        return self.digests[key]

    def save(self) -> None:
        """Write the file."""
        content = {"code": self.fingerprint, "digests": self.digests}
        with contextlib.suppress(OSError):
            write_text(self.cache, json.dumps(content, sort_keys=True, indent=1))


class _Module:
    """The top-level definitions of one library module, its imports, and what runs whenever it is
    imported.
    """

    def __init__(self, path: Path):
        tree = _without_docstrings(ast.parse(path.read_text(encoding="utf-8")))
        self.imports = _imports(tree)
        self.definitions: dict[str, list[ast.stmt]] = {}
        self.on_import: list[ast.stmt] = []
        for statement in tree.body:
            names = _bound_names(statement)
            for name in names:
                self.definitions.setdefault(name, []).append(statement)
            if not names and not isinstance(statement, ast.Import | ast.ImportFrom):
                self.on_import.append(statement)


@functools.cache
def _module(name: str) -> _Module | None:
    """The library module of that dotted name, or None where there is none."""
    path = LIBRARY.joinpath(*name.split(".")[1:])
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return _Module(candidate)
    return None


@functools.cache
def _definition(module: str, name: str) -> tuple[str, list[tuple[str, str]]]:
    """Normalised source and references of a definition; ``*`` is the whole module, ``""`` what
    importing it runs.
    """
    info = _module(module)
    if info is None:
        return "", []
    if name == "*":
        names = sorted(info.definitions)
        return "", [(module, ""), *((module, each) for each in names)]
    if name == "":
        parent = module.rpartition(".")[0]
        statements, references = info.on_import, [(parent, "")] if parent else []
    elif name in info.definitions:
        statements, references = info.definitions[name], [(module, "")]
    elif _module(f"{module}.{name}") is not None:
        return "", [(f"{module}.{name}", "*")]
    else:
        # A name that is imported there and handed on, or one that does not exist: follow the
        # import.
        return "", [(module, ""), *([info.imports[name]] if name in info.imports else [])]
    for statement in statements:
        references += [
            (module, each)
            for each in _names(statement)
            if each in info.definitions and each != name
        ]
        references += _references(statement, info.imports)
    return "\n".join(ast.unparse(statement) for statement in statements), references


def _bound_names(statement: ast.stmt) -> list[str]:
    """The names that a top-level statement defines."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [
                node.id
                for target in targets
                for node in ast.walk(target)
                if isinstance(node, ast.Name)
            ]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


def _imports(tree: ast.AST) -> dict[str, tuple[str, str]]:
    """Name in this file -> (library module, name there), ``*`` for a module; imports inside
    functions count too.
    """
    found: dict[str, tuple[str, str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
            for alias in node.names:
                is_module = _module(f"{node.module}.{alias.name}") is not None
                target = (
                    (f"{node.module}.{alias.name}", "*") if is_module else (node.module, alias.name)
                )
                found[alias.asname or alias.name] = target
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == PACKAGE:
                    found[alias.asname or PACKAGE] = (alias.name, "*")
    return found


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _references(tree: ast.AST, imports: dict[str, tuple[str, str]]) -> list[tuple[str, str]]:
    """The library definitions that a syntax tree uses through its imports; ``module.name`` counts
    that name alone.
    """
    narrow: dict[str, set[str]] = {}
    counted: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            narrow.setdefault(node.value.id, set()).add(node.attr)
            counted[node.value.id] = counted.get(node.value.id, 0) - 1
        elif isinstance(node, ast.Name):
            counted[node.id] = counted.get(node.id, 0) + 1
    references = []
    for name, bare_uses in counted.items():
        if name not in imports:
            continue
        module, target = imports[name]
        if target == "*" and bare_uses == 0 and module != PACKAGE:
            references += [(module, attribute) for attribute in narrow[name]]
        else:
            references.append((module, target))
    return references


def _without_docstrings(tree: ast.Module) -> ast.Module:
    """The tree without docstrings: strings that stand alone as a statement (attribute docstrings
    are such too).
    """
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            body = getattr(node, field, None)
            if isinstance(body, list):
                kept = [each for each in body if not _is_docstring(each)]
                setattr(
                    node,
                    field,
                    kept if kept or not body or isinstance(node, ast.Module) else [ast.Pass()],
                )
    return tree


def _is_docstring(statement: ast.AST) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
    return False
