"""What the terminal says of a run beside its jobs: the names of the stages, and the last words."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path, PurePath

import pandas as pd
import pyarrow.parquet as pq

from radcbir.core import layout
from radcbir.project.configuration import Project

PLUGIN = "snakemake_logger_plugin_radcbir"

STAGES = {
    "weights": "Weights",
    "archives": "Weights",
    "prepare": "Datasets",
    "privacy": "Datasets",
    "datasets": "Datasets",
    "audit": "Audit",
    "embeddings": "Embeddings",
    "precomputed": "Embeddings",
    "retrieval": "Search",
    "query_inputs": "Own queries",
    "query": "Own queries",
    "app": "Page",
    "analyses": "Analyses",
    "report": "Report",
}
"""The stage of the rules in a file or a folder below ``rules/``, in the order of the pipeline."""


def stage(rule_file: str) -> str:
    """The stage of the rules in a file; the report, for the targets in the main file."""
    path = PurePath(rule_file)
    return STAGES.get(path.stem) or STAGES.get(path.parent.name) or STAGES["report"]


def name_stages(files_of_rules: Iterable[tuple[str, str]]) -> None:
    """Tell the logger plugin, where it is in use, the stage of each rule: (name, file of rules)."""
    if plugin := sys.modules.get(PLUGIN):
        order = list(dict.fromkeys(STAGES.values()))
        found = {rule: stage(file) for rule, file in files_of_rules}
        for rule in sorted(found, key=lambda each: order.index(found[each])):
            plugin.LogHandler.stages[rule] = found[rule]


def closing_words(project: Project) -> str:
    """What a run that made the front page made: images and rejected ones, the first sentence of
    each experiment, and the file to open. Empty before the front page is there.
    """
    if not Path(layout.FRONT_PAGE).is_file():
        return ""
    lines = [_images(project)]
    for experiment in project.experiments:
        said = json.loads(Path(layout.FRONT.format(experiment=experiment)).read_text())
        lines += [
            f"{experiment}, {each['split']}: {''.join(text for text, _ in each['verdict'][0])}"
            for each in said["splits"]
            if each["verdict"]
        ]
    return "\n".join([*lines, f"Open in a browser: {layout.FRONT_PAGE}"])


def _images(project: Project) -> str:
    """How many images there are, and of how many rejected ones the ledgers tell: a run of the front
    page alone writes no ledger.
    """
    catalogs, ledgers = (
        [path for each in project.datasets if (path := Path(of.format(dataset=each))).is_file()]
        for of in (layout.CATALOG, layout.LEDGER)
    )
    images = sum(pq.read_metadata(path).num_rows for path in catalogs)
    if len(ledgers) < len(catalogs):
        return f"{images:,} images"
    rejected = sum(pd.read_csv(path)["path"].nunique() for path in ledgers)
    return f"{images:,} images, {rejected:,} rejected"
