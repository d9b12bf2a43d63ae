"""The library outside the workflow: its functions, the example of the docs, and the package that pip installs."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import radcbir
from radcbir.core import layout
from radcbir.core.errors import InputError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path):
    """Three images in two folders, one of them damaged, and a hidden file."""
    random = np.random.default_rng(0)
    for name in ("a/one.png", "b/two.png"):
        (tmp_path / name).parent.mkdir()
        pixels = random.integers(0, 256, (20, 30), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    (tmp_path / "b/broken.png").write_bytes(b"no image")
    (tmp_path / ".hidden").write_text("x")
    return tmp_path


def test_a_folder_becomes_unit_vectors_and_reasons(folder):
    found = radcbir.embed_folder(folder, radcbir.load_encoder("histogram", device="cpu"))
    assert found.images.tolist() == ["a/one.png", "b/two.png"]
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, rtol=1e-6)
    assert found.rejected["image"].tolist() == ["b/broken.png"]
    assert found.rejected["reason"].iloc[0]


def test_search_and_metrics_agree_with_a_count_by_hand():
    degrees = np.deg2rad([0, 10, 90, 100])
    index = np.column_stack([np.cos(degrees), np.sin(degrees)]).astype(np.float32)
    queries = index[[0, 3]]
    positions, scores = radcbir.search(index, queries, k=3)
    assert positions.tolist() == [[0, 1, 2], [3, 2, 1]]
    np.testing.assert_allclose(scores[0], np.cos(np.deg2rad([0, 10, 90])), atol=1e-6)
    metrics = radcbir.retrieval_metrics(positions, ["a", "b", "b", "a"], ["a", "b"])
    values = metrics.set_index(["metric", "average"])["value"]
    assert values["precision_at_1", "micro"] == 0.5, "a is found first, b is not"
    assert values["mean_reciprocal_rank", "micro"] == 0.75, "1, and 1 / 2"


def test_search_gives_the_same_where_torch_is_loaded(tmp_path):
    code = (
        "import sys; sys.path.insert(0, {!r})\n"
        "import numpy as np, torch, radcbir\n"
        "if __name__ == '__main__':\n"
        "    vectors = np.eye(4, dtype=np.float32)\n"
        "    print(radcbir.search(vectors, vectors[2:], 1)[0].tolist())\n"
        "    print('faiss' in sys.modules)\n"
    ).format(str(ROOT / "workflow"))
    script = tmp_path / "script.py"
    script.write_text(code)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow")}
    run = [sys.executable, str(script)]
    printed = subprocess.run(run, capture_output=True, text=True, check=True, env=environment)
    assert printed.stdout.split("\n")[:2] == ["[[2], [3]]", "False"]


def test_results_of_a_run_are_read_by_name(tmp_path):
    path = tmp_path / layout.of_experiment("levels", "outcomes.csv").format(experiment="x")
    path.parent.mkdir(parents=True)
    path.write_text("model,region,value\nnet,None,0.5\n")
    table = radcbir.results(tmp_path, "x", "levels/outcomes")
    assert table.to_dict("records") == [{"model": "net", "region": "None", "value": 0.5}]
    with pytest.raises(InputError, match=r"no table .*levels/outcome.csv: levels/outcomes"):
        radcbir.results(tmp_path, "x", "levels/outcome")


def test_a_card_that_is_not_there_is_named():
    with pytest.raises(
        InputError, match=r"no model card .*thumbnial.yaml: name one of .*thumbnail"
    ):
        radcbir.load_card("thumbnial")
    assert radcbir.load_card(ROOT / "config/models/thumbnail.yaml")["loader"] == "control"


def test_importing_the_package_loads_no_heavy_library():
    code = (
        "import sys, radcbir; print([n for n in ('numpy', 'torch', 'faiss') if n in sys.modules])"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow")}
    run = [sys.executable, "-c", code]
    assert (
        subprocess.run(run, capture_output=True, text=True, check=True, env=environment).stdout
        == "[]\n"
    )
    assert set(radcbir.__all__) <= set(dir(radcbir))
    with pytest.raises(AttributeError):
        radcbir.nothing  # noqa: B018


def test_the_example_of_the_docs_runs(tmp_path, capsys, monkeypatch):
    text = (ROOT / "docs/library.md").read_text()
    text = re.sub(r"<!-- not run: .*? -->\n```python\n.*?```", "", text, flags=re.S)
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    assert len(blocks) == 2
    monkeypatch.chdir(ROOT)
    # Other tests load torch into this process: the search would start a child of pytest.
    monkeypatch.setattr(radcbir, "search", radcbir.api._search, raising=False)
    names: dict = {}
    for block in blocks:
        exec(block, names)
    assert names["positions"].shape[1] == 10
    assert "precision_at_1" in capsys.readouterr().out


def test_every_public_function_is_in_the_docs():
    text = (ROOT / "docs/library.md").read_text()
    functions = [name for name in radcbir.__all__ if name[0].islower()]
    assert all(f"| `{name}(" in text for name in functions)


def test_the_wheel_has_cards_schemas_and_templates(tmp_path):
    """What pip builds, used without the checkout."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    code = (
        "import radcbir, pandas as pd; from radcbir.report.render import render\n"
        "from radcbir.project.configuration import config_schema\n"
        "assert 'models' in config_schema()['properties']\n"
        "render('report/templates/tables.html.j2', 'page.html', title='t', sections=[])\n"
        "print(radcbir.__version__, len(radcbir.list_models()), radcbir.__file__)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "installed")}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    version, models, file = run.stdout.split()
    assert version == radcbir.__version__
    assert int(models) == len(list((ROOT / "config/models").glob("*.yaml")))
    assert file.startswith(str(tmp_path))
    assert (tmp_path / "page.html").read_text().rstrip().endswith("</html>")
    assert pd.Series(zipfile.ZipFile(wheel).namelist()).str.endswith(".rst").any()
