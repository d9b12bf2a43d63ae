"""Captions of the report: Snakemake renders them when the report is made, long after the run."""

import re
from pathlib import Path
from types import SimpleNamespace

import jinja2
import pytest

from radcbir import analyses
from radcbir.report.figure_page import caption

FOLDER = Path(analyses.__file__).parent

PROJECT = SimpleNamespace(
    settings={
        "confidence": {"alpha": 0.1},
        "localization": {"within_mm": 8},
        "subgroups": {"smallest": 20},
        "robustness": {"queries": 200},
        "robustness_index": {"k": 10, "smallest": 20},
    },
    encoded=["net"],
    datasets={"chest": {}},
    cards={"net": {"loader": "timm"}},
    experiments={
        "findings": {
            "datasets": ["chest"],
            "models": ["net"],
            "query_splits": ["val", "test"],
            "paper_mode": {"test_split": "test"},
            "val_split": "val",
            "k": 5,
        }
    },
    searched_models=lambda experiment: ["net"],
    models_with_vectors=lambda experiment: ["net"],
    known_as=lambda dataset: [],
)


FIGURES = [(each, figure) for each in analyses.registry().values() for figure in each.figures]


@pytest.mark.parametrize(
    ("analysis", "figure"), FIGURES, ids=[f"{each.name}-{figure}" for each, figure in FIGURES]
)
def test_every_figure_has_a_caption_without_markup_that_its_page_does_not_know(analysis, figure):
    params = SimpleNamespace(settings=analysis.settings(PROJECT, "findings"))
    given = SimpleNamespace(wildcards=SimpleNamespace(experiment="findings"), params=params)
    page = caption((FOLDER / analysis.name / f"{figure}.rst").read_text(), given)
    assert "<b>findings</b>" in page
    assert not re.search(r"[*`_]_|\*\*|`|::|^- ", re.sub("<code>.*?</code>", "", page), re.M)


@pytest.mark.parametrize("analysis", analyses.summarised(), ids=lambda each: each.name)
def test_captions_use_what_the_generated_rule_has(analysis):
    """The rule's params are `analysis`, `figures`, `cards`, `settings` and `code`."""
    params = {
        "analysis": analysis.name,
        "figures": {},
        "cards": {},
        "settings": analysis.settings(PROJECT, "findings"),
        "code": "",
    }
    given = SimpleNamespace(wildcards=SimpleNamespace(experiment="findings"), params=params)
    for path in sorted((FOLDER / analysis.name).glob("*.rst")):
        template = jinja2.Template(path.read_text(), undefined=jinja2.StrictUndefined)
        assert "findings" in template.render(snakemake=given), path
