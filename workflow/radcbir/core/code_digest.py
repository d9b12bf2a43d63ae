"""Digest of the code that a rule's script can reach: the rule reruns when that code changes in meaning.

Snakemake sees a change of the script file itself and nothing behind it. Here the script's syntax
tree is followed through the library, definition by definition. A function counts only if the script
uses it, directly or through other definitions that count.

What is digested is what a definition does. Comments, docstrings, formatting, annotations of
functions, the name of a definition and its module are not part of the digest: code that is
moved, or renamed everywhere, has the same digest. A reference to another definition of the library
counts as the digest of that definition. Definitions that refer to each other in a circle are
digested together.

In doubt the rule reruns: a name counts wherever it appears, a class counts as a whole, and statements
that run when a module is imported count too.
"""

import ast
import atexit
import contextlib
import copy
import functools
import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from radcbir.core.files import digest, write_text

LIBRARY = Path(__file__).parents[1]
PACKAGE = LIBRARY.name
WITHOUT_EFFECT = {f"{PACKAGE}.core.logs", f"{PACKAGE}.cards.loaders"}
"""Modules whose code is no reason to rerun: the wording of progress, which cannot change a result,
and the table of loaders. What a loader declares is in the meaning and the versions of the cards,
which are parameters of the rules.
"""

Place = tuple[str, str]
"""A module and a name in it. ``*`` is the whole module, the empty name what importing it runs."""


def code_digest(script: str | Path, modules: Iterable[str] = ()) -> str:
    """Digest (16 hexadecimal digits) of ``script`` and of every library definition that it reaches.

    ``modules`` names library modules that the script loads by a name known only at run time. They
    count whole.
    """
    tree = _stripped(ast.parse(Path(script).read_text(encoding="utf-8")))
    source = _canonical(tree.body, _imports(tree), {}, "")
    places = [*source.references, *((name, "*") for name in modules)]
    walk = _Walk()
    return digest("\n".join([source.text, *(walk.digest_of(each) for each in places)]).encode())


def template_digest(template: str | Path, folders: Sequence[str | Path]) -> str:
    """Digest of a template and of those that it extends, includes or imports from ``folders``."""
    path = Path(template)
    text = path.read_text(encoding="utf-8")
    named = re.findall(r"""{%-?\s*(?:extends|include|import|from)\s+["']([^"']+)["']""", text)
    found = [
        next(Path(each) / name for each in folders if (Path(each) / name).is_file())
        for name in named
    ]
    return digest("\n".join([text, *(template_digest(each, folders) for each in found)]).encode())


class CodeDigests:
    """The digests of the scripts in a folder, kept in a file from run to run.

    Every start of Snakemake needs them all. The file is valid for the code that it was made from,
    byte by byte, and for one version of Python; otherwise it is made anew. Where it cannot be
    written, nothing is kept and nothing is lost.
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
        """:func:`code_digest` of the script of that name. The file is written when the process ends."""
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


class _Source(NamedTuple):
    """A definition without what has no effect, and the definitions that it refers to, in order."""

    text: str
    references: tuple[Place, ...]


class _Walk:
    """Digests of definitions; circles of references are found as Tarjan (1972) describes."""

    def __init__(self) -> None:
        self.digests: dict[Place, str] = {}
        self.order: dict[Place, int] = {}
        self.lowest: dict[Place, int] = {}
        self.open: list[Place] = []

    def digest_of(self, place: Place) -> str:
        """The digest of what is at a place, and of everything that it reaches."""
        if place not in self.digests:
            self._visit(place)
        return self.digests[place]

    def _visit(self, place: Place) -> None:
        self.order[place] = self.lowest[place] = len(self.order)
        self.open.append(place)
        for each in _source(*place).references:
            if each not in self.order:
                self._visit(each)
                self.lowest[place] = min(self.lowest[place], self.lowest[each])
            elif each in self.open:
                self.lowest[place] = min(self.lowest[place], self.order[each])
        if self.lowest[place] == self.order[place]:
            start = self.open.index(place)
            circle, self.open = self.open[start:], self.open[:start]
            self._close(circle)

    def _close(self, circle: list[Place]) -> None:
        """Digest definitions that refer to each other in a circle, or one that does not."""
        names = {each: "" if len(circle) == 1 else each[1] for each in circle}
        texts = {}
        for each in circle:
            source = _source(*each)
            reached = [names.get(other) for other in source.references]
            known = [
                f"={name}" if name is not None else self.digests[other]
                for name, other in zip(reached, source.references, strict=True)
            ]
            texts[each] = "\n".join([names[each], source.text, *known])
        together = digest("\n".join(sorted(texts.values())).encode())
        for each in circle:
            self.digests[each] = digest(f"{names[each]}\n{together}".encode())


class _Module:
    """The top-level definitions of one library module, its imports, and what importing it runs."""

    def __init__(self, path: Path):
        tree = _stripped(ast.parse(path.read_text(encoding="utf-8")))
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


def _modules_of(package: str) -> list[str]:
    """The modules of a package, by name."""
    folder = LIBRARY.joinpath(*package.split(".")[1:])
    return sorted(
        f"{package}.{each.stem}" for each in folder.glob("*.py") if each.stem != "__init__"
    )


@functools.cache
def _source(module: str, name: str) -> _Source:
    """What is at a place, and what it refers to."""
    info = _module(module)
    if info is None or module in WITHOUT_EFFECT:
        return _Source("", ())
    if name == "*":
        names = sorted(info.definitions)
        return _Source(
            " ".join(names), (*_run_by_import(module), *((module, each) for each in names))
        )
    if name == "":
        return _canonical(info.on_import, info.imports, info.definitions, module)
    if name in info.definitions:
        found = _canonical(info.definitions[name], info.imports, info.definitions, module, name)
        return _Source(found.text, (*_run_by_import(module), *found.references))
    if _module(f"{module}.{name}") is not None:
        return _Source("", ((f"{module}.{name}", "*"),))
    # A name that is imported there and handed on, or one that does not exist.
    handed_on = [info.imports[name]] if name in info.imports else []
    return _Source("", (*_run_by_import(module), *handed_on))


def _run_by_import(module: str) -> list[Place]:
    """The places of statements that run when a module is imported: its own, its packages'."""
    parts = module.split(".")
    names = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
    return [(each, "") for each in names if (info := _module(each)) is not None and info.on_import]


def _canonical(
    statements: Sequence[ast.stmt],
    imports: dict[str, Place],
    definitions: dict[str, list[ast.stmt]],
    module: str,
    own: str = "",
) -> _Source:
    """Statements as text in which each reference to the library is a number, and these references.

    ``imports`` and ``definitions`` are those of their ``module``. ``own`` is the name that the
    statements define.
    """
    naming = _Naming(imports, definitions, module, own)
    texts = [ast.unparse(naming.visit(copy.deepcopy(statement))) for statement in statements]
    return _Source("\n".join(texts), tuple(naming.places))


class _Naming(ast.NodeTransformer):
    """Puts numbers in place of what refers to the library, and takes imports of the library out."""

    def __init__(
        self,
        imports: dict[str, Place],
        definitions: dict[str, list[ast.stmt]],
        module: str,
        own: str,
    ):
        self.imports, self.definitions, self.module, self.own = imports, definitions, module, own
        self.places: dict[Place, int] = {}

    def _number(self, place: Place) -> str:
        return f"library_{self.places.setdefault(place, len(self.places))}"

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """``module.name`` counts that name alone."""
        if isinstance(node.value, ast.Name) and node.value.id in self.imports:
            module, target = self.imports[node.value.id]
            if target == "*" and module != PACKAGE:
                return ast.Name(self._number((module, node.attr)), node.ctx)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """A name that is imported, or defined beside this definition."""
        if node.id == self.own:
            return ast.Name("itself", node.ctx)
        if node.id in self.imports:
            return ast.Name(self._number(self.imports[node.id]), node.ctx)
        if node.id in self.definitions:
            return ast.Name(self._number((self.module, node.id)), node.ctx)
        if node.id == "__path__":  # the package imports whatever modules it finds in its folder
            for each in _modules_of(self.module):
                self._number((each, "*"))
        return node

    def _named(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> ast.AST:
        if node.name == self.own:
            node.name = "itself"
        return self.generic_visit(node)

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _named

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        """An import of the library inside a function."""
        return ast.Pass() if (node.module or "").split(".")[0] == PACKAGE else node


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


def _imports(tree: ast.AST) -> dict[str, Place]:
    """Name in this file -> (library module, name there), ``*`` for a module.

    Imports inside functions count too.
    """
    found: dict[str, Place] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                is_module = _module(whole) is not None
                target = (whole, "*") if is_module else (node.module or "", alias.name)
                found[alias.asname or alias.name] = target
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == PACKAGE:
                    found[alias.asname or PACKAGE] = (alias.name, "*")
    return found


def _stripped(tree: ast.Module) -> ast.Module:
    """The tree without docstrings, annotations of functions, and imports for type checkers.

    Strings that are a statement of their own are docstrings, those behind a constant too.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
            node.body = [_unannotated(each) for each in node.body]
        elif isinstance(node, ast.arg):
            node.annotation = None
        for field in ("body", "orelse", "finalbody"):
            body = getattr(node, field, None)
            if isinstance(body, list):
                kept = [each for each in body if not _has_no_effect(each)]
                empty = not kept and body and not isinstance(node, ast.Module)
                setattr(node, field, [ast.Pass()] if empty else kept)
    return tree


def _unannotated(statement: ast.stmt) -> ast.stmt:
    match statement:
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            return ast.copy_location(ast.Assign([target], value), statement)
    return statement


def _has_no_effect(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
    return False
