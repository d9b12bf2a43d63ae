"""A new family of encoders takes the four files that CONTRIBUTING.md names, in a copy of the
library: its module, its declaration, a card, a test."""

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FILES = {
    "workflow/radcbir/encoders/loaders/mean_color.py": '''
        """The mean color of an image as its vector."""

        import numpy as np


        class MeanColor:
            dimension = 3
            libraries = {"numpy": np.__version__}

            def preprocess(self, image):
                return np.asarray(image.convert("RGB"), dtype=np.float32)

            def encode(self, inputs):
                return np.stack([each.mean(axis=(0, 1)) for each in inputs]) + 1


        def load(slug, card, files, device):
            return MeanColor()
        ''',
    "workflow/radcbir/cards/loaders/mean_color.py": '''
        """Mean colors: an example."""

        from radcbir.cards.loaders import Loader

        LOADER = Loader(
            name="mean_color",
            module="radcbir.encoders.loaders.mean_color",
            required=("licence", "dimension"),
            keys={
                "dimension": {},
                "batch_size": {},
                "tint": {"description": "A color.", "enum": ["red", "green"]},
            },
        )
        ''',
    "config/models/mean-color.yaml": """
        name: mean color
        loader: mean_color
        dimension: 3
        licence: none (no weights)
        tint: red
        """,
    "tests/unit/encoders/test_mean_color.py": '''
        """Mean colors against what anybody can work out."""

        import golden
        from PIL import Image

        from radcbir import load_encoder
        from radcbir.cards import model_card

        CARD = {"loader": "mean_color", "dimension": 3}


        def test_a_red_image_is_red():
            encoder = load_encoder("mean-color")
            (vector,) = encoder.encode([encoder.preprocess(Image.new("RGB", (4, 4), (200, 0, 9)))])
            assert vector.tolist() == [201, 1, 10]


        def test_vectors_change_together_with_a_version_only():
            encoder = load_encoder("mean-color")
            vectors = encoder.encode([encoder.preprocess(each) for each in golden.images()])
            recorded = ({"loader": 1}, RECORDED)
            golden.check("mean_color", vectors, model_card.versions(CARD), recorded)
        ''',
}
CHECK = """
from pathlib import Path
from radcbir.cards import model_card
from radcbir.core.code_digest import code_digest
from radcbir.core.errors import InputError
import sys, yaml

if "before" not in sys.argv:
    card = model_card.load_card("config/models/mean-color.yaml")
    print(card.name, card.versions, card.meaning)
    Path("wrong.yaml").write_text(yaml.safe_dump(
        {"name": "x", "loader": "mean_color", "licence": "none", "dimension": 3, "tint": "blue", "pooling": "cls"}
    ))
    try:
        model_card.load_card("wrong.yaml")
    except InputError as error:
        print(error)
for script, module in (("embedding/embed", "timm_encoder"), ("analyses/comparison_summary", "timm_encoder")):
    print(code_digest(f"workflow/scripts/{script}.py", [f"radcbir.encoders.loaders.{module}"]))
"""


@pytest.fixture
def copy(tmp_path):
    for folder in ("workflow", "config", "tests/shared"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def run(folder, *arguments):
    command = [sys.executable, *arguments]
    environment = {"PYTHONPATH": str(folder / "workflow"), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_a_family_of_encoders_takes_four_files(copy):
    before = run(copy, "-c", CHECK, "before")
    assert before.returncode == 0, before.stderr
    for name, text in FILES.items():
        path = copy / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert not path.exists()
        path.write_text(textwrap.dedent(text).lstrip("\n"))
    after = run(copy, "-c", CHECK)
    assert after.returncode == 0, after.stderr
    described, wrong, *digests = after.stdout.splitlines()
    assert described == "mean color {'loader': 1} {'loader': 'mean_color', 'dimension': 3}"
    assert wrong == (
        "model card wrong.yaml: `pooling` has no use with `loader: mean_color`: take it out; "
        "`tint` is 'blue': allowed are red, green"
    )
    assert digests == before.stdout.splitlines(), "nothing else becomes stale"

    test = copy / "tests/unit/encoders/test_mean_color.py"
    test.write_text(test.read_text().replace("RECORDED", "[[0] * 6] * 4"))
    told = run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)).stdout
    assert "the numbers of 'mean_color' changed and no version did" in told, told
    numbers = told.split("'mean_color': ({\"loader\": 1}, ")[1].split("),")[0]
    test.write_text(test.read_text().replace("[[0] * 6] * 4", numbers))
    told = run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)).stdout
    assert "2 passed" in told or told.strip().endswith("[100%]"), told
