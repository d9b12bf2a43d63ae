"""The tables of an experiment -> what the front page says of it."""

import json

import pandas as pd

from radcbir.core.files import write_text
from radcbir.core.logs import script_log
from radcbir.core.tables import read_csv
from radcbir.front_page.errors import errors_of
from radcbir.front_page.experiment import (
    Circumstances,
    add_sentence,
    own_patient_drop,
    patients_in_both,
    seen_in_training,
    show_structures,
    split_block,
)
from radcbir.front_page.gains import best_gain
from radcbir.front_page.standing import standing
from radcbir.images.thumbnails import Thumbnails
from radcbir.retrieval.index_settings import approximate_note
from radcbir.retrieval.joined import files_of

with script_log(snakemake.log[0], f"front_experiment {snakemake.wildcards.experiment}"):
    given, params = snakemake.input, snakemake.params
    summary, bounds = read_csv(given.summary), read_csv(given.bounds)
    sure = [read_csv(path) for path in given.uncertainty] or [None] * 3
    others = [
        read_csv(path) if path else None
        for path in (given.confidence, given.gaps, given.areas, given.sites)
    ]
    told = tuple(map(read_csv, given.privacy)) or None
    gains, left_out = (read_csv(path) if path else None for path in (given.gains, given.left_out))
    catalog = pd.read_parquet(given.catalog)
    roots = json.loads(snakemake.resources.image_roots)
    thumbnails = Thumbnails(roots, params.pixels, params.intensities)
    tables = files_of(list(params.cards), given.neighbors)
    seen = seen_in_training(params.statuses, params.cards)
    blocks = []
    for place, split in enumerate(params.query_splits):
        if split == params.val_split:
            continue
        here = standing(split, params.cards, summary, bounds, *sure, params.retrieved)
        best, found = here.models[0].slug, None
        if here.queries:
            per_query = dict(zip(params.cards, given.per_query, strict=True))[best]
            found = errors_of(pd.read_parquet(per_query), tables[best][place], catalog, split)
        known = Circumstances(
            patients_in_both(catalog, params.index_split, split),
            seen,
            approximate_note(params.index),
            params.query_splits,
        )
        drop = own_patient_drop(summary, split, best)
        block = split_block(here, found, drop, known, thumbnails, *others, told)
        if gains is not None:
            add_sentence(block, best_gain(gains, left_out, params.cards, split))
        if given.structures:
            counts = [int((catalog["split"] == each).sum()) for each in (split, params.index_split)]
            show_structures(block, here, read_csv(given.structures), params.cards, *counts)
        blocks.append(block)
    front = {
        "experiment": snakemake.wildcards.experiment,
        "splits": blocks,
        "thumbnails": thumbnails.data(),
    }
    write_text(snakemake.output[0], json.dumps(front, indent=1))
