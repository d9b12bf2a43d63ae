"""Region recall, computed with plain loops."""

from math import comb


def plain_region_recall(labels, patients, lists, index, cuts):
    """(level, label, k) -> value, chance, queries, queries without an answer, of one query split.

    ``labels`` maps an image to its labels, ``patients`` to its patient or None, ``lists`` a query to
    its neighbors, best first; ``index`` are the images of the index. A value that no query gives is
    None.
    """
    found = {}
    for level, parts in (("fine", 9), ("coarse", 2)):
        shown = {
            image: {"/".join(each.split("/")[:parts]) for each in of_image}
            for image, of_image in labels.items()
        }
        for label in sorted({each for query in lists for each in shown[query]}):
            for k in cuts:
                hits, chances, without = [], [], 0
                for query, neighbors in lists.items():
                    if label not in shown[query]:
                        continue
                    others = [
                        each for each in index
                        if patients[query] is None or patients[each] != patients[query]
                    ]  # fmt: skip
                    right = sum(label in shown[each] for each in others)
                    if not right:
                        without += 1
                        continue
                    first = [each for each in neighbors if each in set(others)][:k]
                    hits.append(any(label in shown[each] for each in first))
                    drawn = min(k, len(others))
                    chances.append(1 - comb(len(others) - right, drawn) / comb(len(others), drawn))
                found[level, label, k] = (
                    sum(hits) / len(hits) if hits else None,
                    sum(chances) / len(hits) if hits else None,
                    len(hits),
                    without,
                )
    return found


def plain_means(found, level, k):
    """The mean value and chance over the labels of a level, how many, and how many have no answer."""
    rows = [each for (of_level, _, cut), each in found.items() if (of_level, cut) == (level, k)]
    values = [row[:2] for row in rows if row[0] is not None]
    means = [sum(each) / len(values) for each in zip(*values, strict=True)]
    return *means, len(values), len(rows) - len(values)
