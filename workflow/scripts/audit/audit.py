"""Pooled catalog and inspected images of an experiment -> findings, near duplicates, class counts,
and a page.
"""

import json

import pandas as pd

from radcbir.audit.findings import audit
from radcbir.audit.gate import CHECKS
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv, write_parquet
from radcbir.images.thumbnails import Thumbnails
from radcbir.report.render import render

PIXELS = 128

with script_log(snakemake.log[0], f"audit {snakemake.wildcards.experiment}"):
    catalog = pd.read_parquet(snakemake.input.catalog)
    tables = [pd.read_parquet(path) for path in snakemake.input.get("inspected", [])]
    found = audit(
        catalog,
        pd.concat(tables, ignore_index=True) if tables else None,
        snakemake.wildcards.experiment,
        snakemake.params.index_split,
        snakemake.params.query_splits,
        snakemake.params.shared_patients,
        snakemake.params.distance,
        snakemake.params.max_rejected,
    )
    write_csv(found.findings, snakemake.output.findings)
    write_csv(found.classes, snakemake.output.classes)
    write_parquet(found.near, snakemake.output.near)
    thumbnails = Thumbnails(
        json.loads(snakemake.resources.image_roots), PIXELS, snakemake.params.intensities
    )
    catalog["label"] = catalog["labels"].map(" and ".join)
    known = catalog.set_index("id")[["dataset", "path", "split", "label"]].to_dict("index")
    pairs = [
        {
            "distance": distance,
            "images": [
                {
                    **known[each],
                    "thumbnail": thumbnails.name(known[each]["dataset"], known[each]["path"]),
                }
                for each in (query, other)
            ],
        }
        for query, other, distance in found.pairs
    ]
    render(
        "audit/audit.html.j2",
        snakemake.output.page,
        title=f"Audit of {snakemake.wildcards.experiment}",
        findings=found.findings.to_dict("records"),
        remedies=CHECKS,
        splits=list(found.classes.columns[1:]),
        classes=found.classes.to_dict("records"),
        looked=bool(tables),
        distance=snakemake.params.distance,
        pairs=pairs,
        thumbnails=thumbnails.data(),
        pixels=PIXELS,
    )
