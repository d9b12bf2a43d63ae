"""Tables of the analyses that decide whether a figure is to be trusted, ready for the template ``tables``."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from radcbir.cards import is_control
from radcbir.contamination import MARKS

Column = tuple[str, str, str, Callable[[object], str]]
"""Of a table's column: the frame's column, the head, what it means, and how a value is written."""


def figure(value: object) -> str:
    """Three decimals; nothing for a missing value."""
    return "" if pd.isna(value) else f"{value:.3f}"


def difference(value: object) -> str:
    """Three decimals with a sign."""
    return "" if pd.isna(value) else f"{value:+.3f}"


def count(value: object) -> str:
    """A whole number with thousands apart."""
    return "" if pd.isna(value) else f"{int(value):,}"


def text(value: object) -> str:
    """Words as they are, underscores as spaces."""
    return "" if pd.isna(value) else str(value).replace("_", " ")


def section(title: str, reading: str, frame: pd.DataFrame, columns: Sequence[Column], cards: Mapping) -> dict:
    """One table with its reading: a row per row of ``frame``, the model's name first where there is a column ``model``."""
    rows = []
    for row in frame.to_dict("records"):
        card = cards.get(row.get("model"))
        first = [{"text": card["name"], "value": card["name"], "kind": "text"}] if card else []
        cells = [
            {
                "text": written(row[name]),
                "value": "" if pd.isna(row[name]) else row[name],
                "kind": "text" if written is text else "",
            }
            for name, _, _, written in columns
        ]
        rows.append({"control": bool(card) and is_control(card), "cells": first + cells})
    heads = [
        {"head": head, "help": meaning, "kind": "text" if how is text else ""} for _, head, meaning, how in columns
    ]
    if "model" in frame:
        heads.insert(0, {"head": "model", "help": "", "kind": "text"})
    return {"title": title, "reading": reading, "heads": heads, "rows": rows}


def by_split(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each query split."""
    return [(split, frame[frame["query_split"] == split]) for split in frame["query_split"].unique()]


MEASURES = {
    ("silhouette", "label"): (
        "silhouette, label",
        "how much nearer an image is to its own class than to the next; -1 to 1",
    ),
    ("silhouette", "region"): ("silhouette, region", "the same for body regions"),
    ("silhouette", "modality"): ("silhouette, modality", "the same for modalities"),
    ("effective_rank", ""): ("effective rank", "RankMe: how many directions carry the embeddings"),
    ("dimension", ""): ("of dimensions", "the length of the vectors: the most that the effective rank can be"),
    ("intrinsic_dimension", ""): ("intrinsic dimension", "TwoNN: how many coordinates the images need locally"),
    ("mean_cosine", ""): ("mean cosine", "of two random images; near 1 where all lie in a narrow cone"),
    ("alignment", "label"): ("alignment", "mean squared distance of two images of one label; lower is closer"),
    ("uniformity", ""): ("uniformity", "log mean Gaussian potential; lower is more evenly spread"),
}
HUBS = {
    "hubness_skewness": (
        "skewness of the 10-occurrence",
        "0 without hubs; far above chance: few images stand everywhere",
    ),
    "hubness_skewness_by_chance": ("by chance", "the skewness where each query draws its neighbors at random"),
    "anti_hubs": ("anti-hubs", "share of index images that are among the first 10 of no query"),
    "anti_hubs_by_chance": ("by chance ", "that share where each query draws its neighbors at random"),
    "largest_hub": ("largest hub", "share of queries that the most frequent image is among the first 10 of"),
}
REMEDIES = ["none", "centering", "local_scaling", "mutual_proximity", "csls"]


def embedding_spaces(space: pd.DataFrame, hubness: pd.DataFrame, cards: Mapping[str, Mapping]) -> list[dict]:
    """Sections of the page on embedding spaces, from the stacked tables of all models."""
    of_index = space[space["query_split"].isna()]
    wide = of_index.assign(key=(of_index["measure"] + " " + of_index["level"].fillna("")).str.strip())
    wide = (
        wide.pivot_table(index="model", columns="key", values="value", dropna=False).reindex(list(cards)).reset_index()
    )
    names = {" ".join(key).strip(): described for key, described in MEASURES.items()}
    columns = [
        (key, *described, count if key == "dimension" else figure) for key, described in names.items() if key in wide
    ]
    sections = [
        section(
            "Shape",
            "A high silhouette says that classes lie apart; a low effective rank or a mean cosine near 1 says that most "
            "of the space is empty. Compare models by these only together with P@k: a space can be even and useless.",
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
                "A hub is an index image that is among the first 10 neighbors of far too many queries, an anti-hub one "
                "that nobody finds. Skewness well above the chance value means that hubs answer for other images.",
                wide,
                [(name, *HUBS[name], figure) for name in HUBS],
                cards,
            )
        )
    for split, part in by_split(hubness):
        part = part.assign(remedy=pd.Categorical(part["remedy"], REMEDIES, ordered=True))
        part = part.assign(model=pd.Categorical(part["model"], list(cards), ordered=True))
        part = part.sort_values(["model", "remedy"]).astype({"model": str, "remedy": str})
        sections.append(
            section(
                f"Remedies against hubs (queries: {split})",
                "The same neighbors, searched by similarities that are corrected for hubs with what the index alone tells. "
                "A remedy helps where the skewness falls and P@1 does not; large sets are drawn from, see the counts.",
                part,
                [
                    ("remedy", "remedy", "none is the plain cosine similarity", text),
                    ("precision_at_1", "P@1", "share of queries whose nearest neighbor has their label", figure),
                    ("skewness", "skewness", "of the 10-occurrence", figure),
                    ("anti_hubs", "anti-hubs", "share of index images in no list of 10", figure),
                    ("queries", "queries", "", count),
                    ("index_images", "index images", "", count),
                ],
                cards,
            )
        )
    return sections


def leakage(table: pd.DataFrame, cards: Mapping[str, Mapping]) -> list[dict]:
    """Sections of the page on leakage."""
    sections = []
    for split, part in by_split(table):
        for k, rows in part.groupby("k"):
            others = rows[rows["neighbors"] != "all"]
            sections.append(
                section(
                    f"P@{k} (queries: {split})",
                    "Leakage is what P@k loses, for the same queries, when neighbors that are close for another reason "
                    "than their finding are left out. Near 0: the figure stands; large: it measures recognition of "
                    "patients or copies.",
                    others if len(others) else rows,
                    [
                        ("neighbors", "neighbors", "which neighbors count", text),
                        ("precision_all", f"P@{k} of all", "with every neighbor, for the same queries", figure),
                        ("precision", f"P@{k} of these", "without those left out", figure),
                        ("leakage", "leakage", "the difference", difference),
                        ("left_out", "left out", f"mean number left out among the first {k}", figure),
                        ("queries", "queries", "in these averages", count),
                        ("queries_without_relevant", "not answerable", "nothing of their class is left", count),
                        ("queries_too_short", "list too short", "the list ends before enough others", count),
                    ],
                    cards,
                )
            )
    return sections


def shortcuts(table: pd.DataFrame, cards: Mapping[str, Mapping]) -> list[dict]:
    """Sections of the page on shortcuts: one per query split and attribute."""
    sections = []
    for split, part in by_split(table):
        for attribute, rows in part.groupby("attribute", sort=False):
            finding = attribute == "finding"
            columns = [
                (
                    "precision_at_1",
                    "P@1",
                    f"share of queries whose nearest neighbor shares the {text(attribute)}",
                    figure,
                ),
                ("chance", "chance", "of a random index image", figure),
                ("lift", "lift", "P@1 over chance", figure),
                ("precision_given_finding", "P@1, right finding", "where the nearest neighbor has the finding", figure),
                ("chance_given_finding", "chance, right finding", "of a random index image of that finding", figure),
                ("finding_precision", "P@1 of the finding", "for the same queries", figure),
                ("finding_if_shared", "finding if shared", f"P@1 where the {text(attribute)} is shared", figure),
                ("finding_if_not", "finding if not", f"P@1 where the {text(attribute)} differs", figure),
                ("queries_shared", "queries, shared", "", count),
                ("queries", "queries", "for which it is known of both images", count),
            ]
            reading = (
                "The finding itself, beside which the attributes below are to be read."
                if finding
                else "Read P@1 against chance, and both again where the finding is right: what is left over there, the "
                "finding does not explain. Where the finding is right only if the attribute is shared, it is a shortcut."
            )
            kept = [
                each for each in columns if not finding or each[0] in ("precision_at_1", "chance", "lift", "queries")
            ]
            title = f"{text(attribute).capitalize()}, {rows['values'].iloc[0]:,} values (queries: {split})"
            sections.append(section(title, reading, rows, kept, cards))
    return sections


def graded_relevance(table: pd.DataFrame, cards: Mapping[str, Mapping]) -> list[dict]:
    """Sections of the page on graded relevance."""
    sections = []
    for split, part in by_split(table):
        part = part.assign(key=part["gain"] + "@" + part["k"].astype(str))
        wide = (
            part.pivot_table(index="model", columns="key", values="value", dropna=False)
            .reindex(list(cards))
            .reset_index()
        )
        wide["queries"] = part.groupby("model")["queries"].max().reindex(list(cards)).to_numpy()
        what = {"jaccard": "label sets", "label_tree": "label paths"}
        keys = list(dict.fromkeys(part["key"]))
        columns = [
            (key, f"nDCG@{key.split('@')[1]}, {what[key.split('@')[0]]}", "1 is the best order of the index", figure)
            for key in keys
        ]
        sections.append(
            section(
                f"nDCG (queries: {split})",
                "By label sets, a neighbor counts for the share of labels in common (Jaccard); by label paths, a third "
                "each for modality, region and finding. A model far better by paths than by sets errs near the truth.",
                wide,
                [*columns, ("queries", "queries", "in the averages", count)],
                cards,
            )
        )
    return sections


def cross_dataset(matrix: pd.DataFrame, purity: pd.DataFrame, cards: Mapping[str, Mapping]) -> list[dict]:
    """Sections of the page on retrieval across datasets."""
    sections = []
    for split, part in by_split(matrix):
        sections.append(
            section(
                f"Pairs of datasets (queries: {split})",
                "Only classes that both datasets have are asked and searched. Compare P@1 with that of the same queries in "
                "the index of their own dataset: what is lost, the model knows by the dataset's look.",
                part.assign(lost=part["own_precision_at_1"] - part["precision_at_1"]),
                [
                    ("query_dataset", "queries of", "", text),
                    ("index_dataset", "index of", "", text),
                    ("precision_at_1", "P@1", "", figure),
                    ("own_precision_at_1", "P@1 at home", "the same queries and classes, in their own dataset", figure),
                    ("lost", "lost", "the difference", difference),
                    ("chance", "chance", "P@1 of a random index image", figure),
                    ("precision_at_10", "P@10", "capped", figure),
                    ("classes", "classes", "that both have", count),
                    ("queries", "queries", "", count),
                    ("index_images", "index images", "", count),
                ],
                cards,
            )
        )
    for split, part in by_split(purity):
        sections.append(
            section(
                f"Source purity (queries: {split})",
                "The share of neighbors, in the pooled index, that come from the query's own dataset. Well above chance, "
                "the model sees where an image comes from, be it by look or because the datasets hold other classes.",
                part,
                [
                    ("query_dataset", "queries of", "", text),
                    ("k", "k", "number of neighbors", count),
                    ("purity", "own dataset", "share of the first k", figure),
                    ("chance", "chance", "the dataset's share of the index", figure),
                    ("queries", "queries", "", count),
                ],
                cards,
            )
        )
    return sections


def contamination(statuses: Mapping[str, Mapping[str, str]], cards: Mapping[str, Mapping]) -> list[dict]:
    """The matrix of models and datasets, with the training data that the cards list."""
    datasets = list(next(iter(statuses.values())))
    frame = pd.DataFrame(
        [
            {"model": model}
            | {dataset: f"{MARKS[status]} {status}" for dataset, status in row.items()}
            | {"training_data": ", ".join(cards[model].get("training_data", [])) or "nothing listed"}
            for model, row in statuses.items()
        ]
    )
    plain: Callable[[object], str] = text
    columns = [*((name, name, "", plain) for name in datasets), ("training_data", "trained on, by its card", "", plain)]
    reading = (
        f"{MARKS['seen']} the weights have seen this dataset: its figures say little about other data. {MARKS['sibling']} "
        "they have seen a collection made from or with it. A question mark: the card or the dataset does not say, or the "
        f"weights come from a collection that nobody can look through. {MARKS['not seen']} they were trained on other data."
    )
    return [section("Models and datasets", reading, frame, columns, cards)]
