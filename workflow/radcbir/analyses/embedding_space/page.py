"""The tables of the page on embedding spaces."""

from collections.abc import Mapping

import pandas as pd

from radcbir.report.sections import by_split, count, figure, section, text

MEASURES = {
    ("silhouette", "label"): (
        "silhouette, label",
        "how much nearer an image is to its own class than to the next; -1 to 1",
    ),
    ("silhouette", "region"): ("silhouette, region", "the same for body regions"),
    ("silhouette", "modality"): ("silhouette, modality", "the same for modalities"),
    ("effective_rank", ""): ("effective rank", "RankMe: how many directions the embeddings use"),
    ("dimension", ""): (
        "of dimensions",
        "the length of the vectors, the maximum of the effective rank",
    ),
    ("intrinsic_dimension", ""): (
        "intrinsic dimension",
        "TwoNN: how many coordinates the images need locally",
    ),
    ("mean_cosine", ""): (
        "mean cosine",
        "of two random images; near 1 where all vectors have nearly the same direction",
    ),
    ("alignment", "label"): (
        "alignment",
        "mean squared distance of two images of one label; lower is closer",
    ),
    ("uniformity", ""): ("uniformity", "log mean Gaussian potential; lower is more evenly spread"),
}

HUBS = {
    "hubness_skewness": (
        "hubness",
        "skewness of how often an index image is among the first 10: 0 without hubs; far above "
        "chance: a few images are neighbors of very many queries",
    ),
    "hubness_skewness_by_chance": (
        "by chance",
        "the hubness where each query draws its neighbors at random",
    ),
    "anti_hubs": ("anti-hubs", "share of index images that are among the first 10 of no query"),
    "anti_hubs_by_chance": (
        "by chance ",
        "that share where each query draws its neighbors at random",
    ),
    "largest_hub": (
        "largest hub",
        "share of queries with the most frequent image among their first 10 neighbors",
    ),
}

REMEDIES = {
    "none": "none",
    "centering": "centering",
    "local_scaling": "local scaling",
    "mutual_proximity": "mutual proximity",
    "csls": "CSLS (cross-domain similarity local scaling)",
}
"""Corrections for hubs -> how they are called."""


def embedding_spaces_sections(
    space: pd.DataFrame, hubness: pd.DataFrame, cards: Mapping[str, Mapping]
) -> list[dict]:
    """Sections of the page on embedding spaces, from the stacked tables of all models."""
    of_index = space[space["query_split"].isna()]
    wide = of_index.assign(
        key=(of_index["measure"] + " " + of_index["level"].fillna("")).str.strip()
    )
    wide = (
        wide.pivot_table(index="model", columns="key", values="value", dropna=False)
        .reindex(list(cards))
        .reset_index()
    )
    names = {" ".join(key).strip(): described for key, described in MEASURES.items()}
    columns = [
        (key, *described, count if key == "dimension" else figure)
        for key, described in names.items()
        if key in wide
    ]
    sections = [
        section(
            "Shape",
            "A high silhouette means that classes are apart. A low effective rank, or a mean cosine "
            "near 1, means that most of the space is not used. Read these numbers only together "
            "with P@k: a space can be evenly used and still not separate the findings.",
            wide,
            columns,
            cards,
        )
    ]
    for split, part in by_split(space[space["query_split"].notna()]):
        wide = (
            part.pivot_table(index="model", columns="measure", values="value", dropna=False)
            .reindex(list(cards))
            .reset_index()
        )
        sections.append(
            section(
                f"Hubs (queries: {split})",
                "A hub is an index image that is among the first 10 neighbors of far too many "
                "queries. An anti-hub is among those of no query. A hubness well above the "
                "chance value means that hubs take the places of other images.",
                wide,
                [(name, *HUBS[name], figure) for name in HUBS],
                cards,
            )
        )
    for split, part in by_split(hubness):
        part = part.assign(remedy=pd.Categorical(part["remedy"], list(REMEDIES), ordered=True))
        part = part.assign(model=pd.Categorical(part["model"], list(cards), ordered=True))
        part = part.sort_values(["model", "remedy"]).astype({"model": str, "remedy": str})
        part["remedy"] = part["remedy"].map(REMEDIES)
        sections.append(
            section(
                f"Remedies against hubs (queries: {split})",
                "Neighbors by similarities that are corrected for hubs. The correction uses the "
                "index alone. A remedy helps where the hubness falls and P@1 does not. Of large "
                "sets a sample is used, see the counts.",
                part,
                [
                    ("remedy", "remedy", "none is the plain cosine similarity", text),
                    (
                        "precision_at_1",
                        "P@1",
                        "share of queries whose nearest neighbor has their label",
                        figure,
                    ),
                    (
                        "skewness",
                        "hubness",
                        "skewness of how often an index image is found",
                        figure,
                    ),
                    ("anti_hubs", "anti-hubs", "share of index images in no list of 10", figure),
                    ("queries", "queries", "", count),
                    ("index_images", "index images", "", count),
                ],
                cards,
            )
        )
    return sections
