"""Slices of volumes, labelled with the structures that masks show in them."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import pandas as pd

from radcbir.core.errors import InputError
from radcbir.core.logs import Progress
from radcbir.datasets.preparation import Preparation, label_matrix
from radcbir.datasets.providers.folder.listing import files_below
from radcbir.datasets.providers.organ_masks.masks import structure_counts
from radcbir.datasets.splits import fill_splits
from radcbir.images.address import split_address
from radcbir.images.formats import nifti
from radcbir.images.limits import LIMITS
from radcbir.images.raster import UnreadableImage
from radcbir.images.reader import reasons
from radcbir.images.slices import images_of
from radcbir.images.source import Source

SUFFIXES = (".nii.gz", ".nii")


def prepare(files: Mapping[str, Path], options: Mapping, images: Path) -> Preparation:
    """The slices of all NIfTI volumes below ``images`` that have masks, with the options of
    `prepare:`: each has the labels of the structures with ``pixels`` voxels or more in it.

    Slices without a structure are left out and counted, and so are volumes without masks. A volume
    that cannot be read keeps a row without a label, for the ledger to name.

    Raises :class:`InputError` where no volume has masks, where a mask cannot be read or lies
    otherwise than its volume, and where a structure that is named is in no mask at all.
    """
    if not images.is_dir():
        raise InputError(
            f"the image root {images} is not a folder: correct `images:` in the configuration"
        )
    structures = {str(name): label for name, label in options["structures"].items()}
    volumes, without = _volumes(images, options["masks"])
    _check_names({images / each for each in volumes.values()}, structures)
    progress = Progress(len(volumes), "volumes")

    def labelled(volume: str) -> tuple[pd.DataFrame, set[str]]:
        try:
            return _slices(volume, images / volumes[volume], images, options, structures)
        finally:
            progress.advance()

    with ThreadPoolExecutor(options["threads"]) as pool:
        found = list(pool.map(labelled, volumes))
    table = pd.concat([slices for slices, _ in found], ignore_index=True)
    nifti.forget()
    labels = table.pop("labels")
    _check_seen(structures, set().union(*(there for _, there in found)), images)
    shown_labels = {name for each in labels for name in each}
    if not shown_labels:
        raise InputError(
            f"no slice below {images} shows a structure: lower `pixels:`, or `step:` and `trim:`"
        )
    names = {label: label for label in sorted(shown_labels)}
    preparation = Preparation(table, label_matrix(labels, names, images, "masks"))
    if without:
        preparation.note("volumes without masks, left out", without, without)
    unread = ~preparation.images["filepath"].map(lambda path: bool(split_address(path)[1]))
    shown = (preparation.labels.to_numpy() == 1).any(axis=1)
    taken = shown | unread.to_numpy()
    preparation.keep(taken, "a structure or several")
    kept = labels[taken].reset_index(drop=True)
    fill_splits(preparation.images, kept, options["shares"], options["seed"])
    preparation.count("split by patient")
    preparation.count_labels()
    return preparation


def _volumes(root: Path, masks: str) -> tuple[dict[str, str], int]:
    """The volumes that have masks -> where these are, and how many volumes have none; paths are
    below ``root``.
    """
    listed = [each for each in files_below(root) if each.lower().endswith(SUFFIXES)]
    found, none = {}, []
    for volume in listed:
        place = PurePosixPath(volume)
        at = masks.replace("{folder}", place.parent.as_posix()).replace("{name}", _stem(place.name))
        at = PurePosixPath(at).as_posix()
        if at != volume and (root / at).exists():
            found[volume] = at
        else:
            none.append(volume)
    if not found:
        example = f", such as {none[0]}" if none else ""
        raise InputError(
            f"no volume below {root} has masks at `masks: {masks}` ({len(none)} NIfTI files{example}): "
            "correct `masks:` or `images:`"
        )
    of_masks = set(found.values())

    def is_mask(file: str) -> bool:
        places = [file, *(each.as_posix() for each in PurePosixPath(file).parents)]
        return not of_masks.isdisjoint(places)

    volumes = {volume: at for volume, at in found.items() if not is_mask(volume)}
    return volumes, sum(not is_mask(each) for each in none)


def _check_names(masks: set[Path], structures: Mapping[str, str]) -> None:
    """Raise :class:`InputError` where masks are numbered and structures have names."""
    wrong = [each for each in structures if not each.isdigit()]
    files = sorted(each for each in masks if not each.is_dir())
    if wrong and files:
        raise InputError(
            f"`structures:` names '{wrong[0]}', but {files[0]} is a file whose numbers are structures: "
            "give their numbers, or a folder with a file per structure as `masks:`"
        )


def _check_seen(structures: Mapping[str, str], seen: set[str], root: Path) -> None:
    """Raise :class:`InputError` for structures that no mask has: each may be misspelt, and others
    with the same label would hide it.
    """
    unseen = [name for name in structures if name not in seen]
    if unseen:
        raise InputError(
            f"`structures:` names {', '.join(unseen)}, which no mask below {root} has: correct them, or "
            "take them out"
        )


def _stem(name: str) -> str:
    """A file's name without the suffix of NIfTI."""
    return next(name[: -len(each)] for each in SUFFIXES if name.lower().endswith(each))


def _slices(
    volume: str,
    masks: Path,
    root: Path,
    options: Mapping,
    structures: Mapping[str, str],
) -> tuple[pd.DataFrame, set[str]]:
    """The slices of a volume, with the labels that its masks give them, and the structures that these
    masks have.
    """
    place = PurePosixPath(volume)
    series = (place.parent / _stem(place.name)).as_posix()
    patient = place.parts[0] if options["patients"] and len(place.parts) > 1 else series
    addresses = images_of(volume, root, options)
    table = pd.DataFrame({"filepath": addresses, "patient_id": patient, "series_id": series})
    try:
        with reasons(), Source(str(root / volume)) as source:
            grid = nifti.grid(source, LIMITS)
    except UnreadableImage:
        return table.assign(labels=_objects([[] for _ in addresses])), set()
    selected = [next(iter(split_address(each)[1].items())) for each in addresses]
    planes = list(dict.fromkeys(plane for plane, _ in selected))
    counts, there = structure_counts(masks, grid, structures, planes)
    shown = [
        sorted(
            label
            for (label, of), voxels in counts.items()
            if of == plane and voxels[number] >= options["pixels"]
        )
        for plane, number in selected
    ]
    table = table.assign(
        modality=_only({label.split("/")[0] for label, _ in counts}),
        view=[plane for plane, _ in selected],
        instance=[number for _, number in selected],
        position=[grid.position(plane, number) for plane, number in selected],
        labels=_objects(shown),
    )
    return table, there


def _objects(lists: list[list[str]]) -> pd.Series:
    """A column of lists."""
    return pd.Series(lists, dtype=object)


def _only(values: set[str]) -> str | None:
    return next(iter(values)) if len(values) == 1 else None
