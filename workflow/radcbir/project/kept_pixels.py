"""What decoded images take on the disk where they are kept."""

from pathlib import Path

from radcbir.core import layout
from radcbir.core.files import digest_of
from radcbir.pixels.geometry import bytes_per_image
from radcbir.project.configuration import Project


def in_words(project: Project) -> str:
    """How much `pixels: keep` takes: of the images that are known so far, once per geometry, gray
    and in color.
    """
    images, gray, color, unknown = 0, 0, 0, []
    for dataset, found in project.geometries.items():
        distinct = {digest_of(each): each for each in found.values()}.values()
        count = _known_images(dataset)
        if distinct and count is None:
            unknown.append(dataset)
        elif distinct:
            images += count or 0
            gray += (count or 0) * sum(bytes_per_image(each, 1) for each in distinct)
            color += (count or 0) * sum(bytes_per_image(each, 3) for each in distinct)
    words = (
        f"`pixels: keep`: the decoded images take {gray / 1e9:.2f} GB in {layout.PIXELS} if they "
        f"are gray, {color / 1e9:.2f} GB in color ({images} images), at most "
        f"{project.settings['pixels_gb']:g} GB"
    )
    rest = f"; {', '.join(unknown)}: images not counted yet" if unknown else ""
    return words + rest


def _known_images(dataset: str) -> int | None:
    """How many images the shard lists of a dataset name; None where there are none yet."""
    shards = sorted(Path(layout.SHARDS.format(dataset=dataset)).glob("*.tsv"))
    return sum(each.read_bytes().count(b"\n") - 1 for each in shards) if shards else None
