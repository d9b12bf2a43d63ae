"""The digest of reachable code: changes of meaning count, changes of wording do not."""

import pytest

from radcbir.core import code_digest

MODULES = {
    "__init__.py": '"""Docstring."""\n',
    "first.py": (
        '"""Module docstring."""\n'
        "from radcbir.second import helper\n"
        "FACTOR = 2\n\n"
        "def used(x):\n"
        '    """Twice x."""\n'
        "    return FACTOR * helper(x)  # a comment\n\n"
        "def unused(x):\n"
        "    return x\n"
    ),
    "second.py": "import numpy as np\n\ndef helper(x):\n    return np.abs(x)\n\ndef other(x):\n    return -x\n",
    "third.py": "class Loader:\n    def load(self):\n        return 1\n",
    "core/logs.py": "def say(x):\n    print(x)\n",
    "core/__init__.py": "",
    "circle.py": (
        "def even(n):\n    return n == 0 or odd(n - 1)\n\n"
        "def odd(n):\n    return n != 0 and even(n - 1)\n"
    ),
}
SCRIPT = "from radcbir.first import used\nfrom radcbir.core.logs import say\n\nsay(used(snakemake.params.x))\n"


@pytest.fixture
def library(tmp_path, monkeypatch):
    folder = tmp_path / "radcbir"
    folder.mkdir()
    (folder / "core").mkdir()
    for name, text in MODULES.items():
        (folder / name).write_text(text)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    monkeypatch.setattr(code_digest, "LIBRARY", folder)

    def digest(*modules, **edits):
        for name, (old, new) in edits.items():
            path = script if name == "script" else folder / f"{name.replace('__', '/')}.py"
            text = path.read_text()
            assert old in text
            path.write_text(text.replace(old, new))
        code_digest._module.cache_clear()
        code_digest._source.cache_clear()
        return code_digest.code_digest(script, modules)

    yield digest
    code_digest._module.cache_clear()
    code_digest._source.cache_clear()


@pytest.mark.parametrize(
    ("name", "edit"),
    {
        "a function that the script calls": ("first", ("FACTOR *", "FACTOR +")),
        "a constant behind it": ("first", ("FACTOR = 2", "FACTOR = 3")),
        "a function of another module behind it": ("second", ("np.abs(x)", "np.abs(x) + 1")),
        "the script": ("script", ("used(", "1 + used(")),
        "a statement that runs on import": (
            "second",
            ("import numpy as np\n", "import numpy as np\nnp.seterr(all='raise')\n"),
        ),
    }.values(),
)
def test_a_change_of_meaning_changes_the_digest(library, name, edit):
    before = library()
    assert library(**{name: edit}) != before


@pytest.mark.parametrize(
    ("name", "edit"),
    {
        "a docstring": ("first", ("Twice x.", "Two times x.")),
        "a docstring added": (
            "second",
            ("def helper(x):\n", 'def helper(x):\n    """The absolute value."""\n'),
        ),
        "a comment": ("first", ("# a comment", "# another")),
        "formatting": ("first", ("FACTOR * helper(x)", "(FACTOR*helper( x ))")),
        "a function that the script does not reach": ("first", ("return x", "return x + 1")),
        "one of another module": ("second", ("return -x", "return +x")),
        "how progress is worded": ("core__logs", ("print(x)", "print('now', x)")),
        "annotations": ("second", ("def helper(x):", "def helper(x: float) -> float:")),
        "a comment in the script": ("script", ("say(used", "# say it\nsay(used")),
        "a module that nobody imports": ("third", ("return 1", "return 2")),
    }.values(),
)
def test_other_changes_do_not(library, name, edit):
    before = library()
    assert library(**{name: edit}) == before


def test_a_module_named_at_run_time_counts_when_it_is_given(library):
    before = library("radcbir.third")
    assert before != library()
    assert library("radcbir.third", third=("return 1", "return 2")) != before


def test_module_attributes_count_alone(library):
    library(script=(SCRIPT, "from radcbir import second\n\nsecond.helper(1)\n"))
    before = library()
    assert library(second=("return -x", "return +x")) == before
    assert library(second=("np.abs(x)", "np.sqrt(x)")) != before


@pytest.fixture
def moved(library, tmp_path):
    """Write the library anew, as other modules, and give the digest of the script."""

    def digest(**texts):
        folder = tmp_path / "radcbir"
        for path in folder.rglob("*.py"):
            path.unlink()
        for name, text in (
            {"core/__init__": "", "core/logs": MODULES["core/logs.py"]} | texts
        ).items():
            path = tmp_path / "script.py" if name == "script" else folder / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return library()

    return digest


HELPER = "import numpy as np\n\ndef helper(x):\n    return np.abs(x)\n"
USED = "FACTOR = 2\n\ndef used(x):\n    return FACTOR * helper(x)\n"


def test_code_that_is_moved_has_the_same_digest(library, moved):
    before = library()
    script = "from radcbir.a.deep import used\nfrom radcbir.core.logs import say\n\nsay(used(snakemake.params.x))\n"
    in_one_module = {"a/__init__": "", "a/deep": HELPER + "\n" + USED, "script": script}
    assert moved(**in_one_module) == before
    apart = {
        "a/__init__": '"""A package."""\n',
        "a/deep": "from radcbir.b import numbers\n\n"
        + USED.replace("helper(x)", "numbers.helper(x)"),
        "b/__init__": "",
        "b/numbers": HELPER,
        "script": script,
    }
    assert moved(**apart) == before


def test_a_name_that_is_changed_everywhere_is_no_change(library, moved):
    before = library()
    text = HELPER.replace("helper", "absolute") + "\n" + USED.replace("helper", "absolute")
    names = {"FACTOR": "SCALE", "used": "scaled"}
    for old, new in names.items():
        text = text.replace(old, new)
    script = SCRIPT.replace("radcbir.first import used", "radcbir.other import scaled").replace(
        "say(used", "say(scaled"
    )
    assert moved(other=text, script=script) == before


def test_another_definition_of_the_same_kind_is_a_change(library, moved):
    """Both functions are reached before and after: only what calls which is another."""
    helpers = "def one(x):\n    return x\n\ndef two(x):\n    return -x\n\n"
    script = "from radcbir.a import used\n\nused(1)\n"
    first = moved(a=helpers + "def used(x):\n    return one(x) - two(1)\n", script=script)
    assert moved(a=helpers + "def used(x):\n    return two(x) - one(1)\n", script=script) != first


def test_definitions_that_refer_to_each_other_count_together(library):
    library(script=(SCRIPT, "from radcbir.circle import even\n\neven(3)\n"))
    before = library()
    assert library(circle=("n != 0", "n > 0")) != before
    assert library(circle=("n > 0", "n != 0")) == before
    assert library(circle=("n == 0", "n < 1")) != before
    assert library(script=("even(3)", "odd(3)")) != before


def test_a_template_counts_with_those_that_it_extends(tmp_path):
    (tmp_path / "pages").mkdir()
    page, base = tmp_path / "pages/models.html.j2", tmp_path / "base.html.j2"
    page.write_text('{% extends "base.html.j2" %}{% block body %}a{% endblock %}')
    base.write_text("<html>{% block body %}{% endblock %}</html>")
    folders = [tmp_path / "pages", tmp_path]
    before = code_digest.template_digest(page, folders)
    assert code_digest.template_digest(page, folders) == before
    base.write_text("<html lang=en>{% block body %}{% endblock %}</html>")
    assert code_digest.template_digest(page, folders) != before


def test_the_real_scripts_have_digests_that_differ():
    scripts = sorted((code_digest.LIBRARY.parent / "scripts").rglob("[a-z]*.py"))
    assert len({code_digest.code_digest(script) for script in scripts}) == len(scripts) > 10


def test_digests_are_kept_until_a_byte_of_the_code_changes(tmp_path, monkeypatch):
    scripts, cache = tmp_path / "scripts", tmp_path / "kept" / "digests.json"
    scripts.mkdir()
    (scripts / "one.py").write_text("print(1)\n")
    asked = []
    monkeypatch.setattr(
        code_digest,
        "code_digest",
        lambda script, modules: asked.append(script.name) or f"{len(asked)}",
    )
    first = code_digest.CodeDigests(scripts, cache)
    assert [first.of("one.py"), first.of("one.py", ["m"]), first.of("one.py")] == ["1", "2", "1"]
    first.save()
    second = code_digest.CodeDigests(scripts, cache)
    assert [second.of("one.py"), second.of("one.py", ["m"])] == ["1", "2"] and len(asked) == 2
    (scripts / "one.py").write_text("print(2)\n")
    assert code_digest.CodeDigests(scripts, cache).of("one.py") == "3"
    cache.write_text("[not what was kept")
    assert code_digest.CodeDigests(scripts, cache).of("one.py") == "4"


def test_digests_that_cannot_be_kept_are_no_error(tmp_path):
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "one.py").write_text("print(1)\n")
    (tmp_path / "file").write_text("")
    digests = code_digest.CodeDigests(scripts, tmp_path / "file" / "digests.json")
    assert digests.of("one.py") == code_digest.code_digest(scripts / "one.py")
    digests.save()
