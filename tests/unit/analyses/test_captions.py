"""Captions of the report: Snakemake renders them when the report is made, long after the run."""

from pathlib import Path
from types import SimpleNamespace

import jinja2
import pytest

from radcbir import analyses

FOLDER = Path(analyses.__file__).parent

PROJECT = SimpleNamespace(
    settings={"confidence": {"alpha": 0.1}, "subgroups": {"smallest": 20}},
    datasets={"chest": {}},
    cards={},
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
    known_as=lambda dataset: [],
)


@pytest.mark.parametrize("analysis", analyses.summarised(), ids=lambda each: each.name)
def test_captions_use_what_the_generated_rule_has(analysis):
    """The rule's params are `analysis`, `cards`, `settings` and `code`, nothing else."""
    params = {
        "analysis": analysis.name,
        "cards": {},
        "settings": analysis.settings(PROJECT, "findings"),
        "code": "",
    }
    given = SimpleNamespace(wildcards=SimpleNamespace(experiment="findings"), params=params)
    for caption in sorted((FOLDER / analysis.name).glob("*.rst")):
        template = jinja2.Template(caption.read_text(), undefined=jinja2.StrictUndefined)
        assert "findings" in template.render(snakemake=given), caption
