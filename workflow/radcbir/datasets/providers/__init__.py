"""From the files that a provider of images hands out to a dataset CSV: one module per provider, and
their registry.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from radcbir.core.errors import InputError
from radcbir.core.files import digest


@dataclass(frozen=True)
class Provider:
    """Who hands out a dataset, and the files that its preparation reads."""

    title: str
    page: str
    """Where its files are to be had."""
    terms: str
    """Its licence or agreement, as the provider names it."""
    files: Callable[[Mapping], Mapping[str, tuple[str, ...]]]
    """The checked options of `prepare:` -> what a file is for -> the names that it may have, the
    usual one first."""


CHEXPERT_TABLES = "CheXpert-v1.0 batch 1 (validate & csv)"
"""The folder with the tables, where CheXpert comes in four batches."""


def module_of(name: str) -> str:
    """The library module of a provider."""
    return f"radcbir.datasets.providers.{name.replace('-', '_')}"


def provider_files(prepare: Mapping, where: str) -> dict[str, str]:
    """What each file of a provider is for -> its path, for the checked options ``prepare`` of a
    dataset.

    Raises :class:`InputError` for all missing files at once: ``where`` (the key in the
    configuration), which files, where they come from, and their terms.
    """
    provider = PROVIDERS[prepare["from"]]
    wanted = provider.files(prepare)
    if not wanted:
        return {}
    folder = Path(prepare.get("metadata", "."))
    there = {
        role: [name for name in names if (folder / name).is_file()]
        for role, names in wanted.items()
    }
    missing = [wanted[role][0] for role in wanted if not there[role]]
    if missing:
        what = "is no folder and so lacks" if not folder.is_dir() else "lacks"
        raise InputError(
            f"{where}: the folder {folder} {what} {', '.join(missing)} of {provider.title}: get "
            f"{'it' if len(missing) == 1 else 'them'} from {provider.page} ({provider.terms}), or "
            "correct `metadata:`"
        )
    return {role: str(folder / names[0]) for role, names in there.items()}


def _nih14(options: Mapping) -> dict[str, tuple[str, ...]]:
    files = {"entries": _packed("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")}
    if options["test"] == "official":
        files |= {"train_val_list": ("train_val_list.txt", "train_val_list_NIH.txt")}
        files |= {"test_list": ("test_list.txt", "test_list_NIH.txt")}
    return files


def _chexpert(options: Mapping) -> dict[str, tuple[str, ...]]:
    wanted = ["train", "valid"] if options["test"] == "official" else ["train"]
    folders = ("", "CheXpert-v1.0/", "CheXpert-v1.0-small/", f"{CHEXPERT_TABLES}/")
    return {name: _packed(*(f"{folder}{name}.csv" for folder in folders)) for name in wanted}


def _mimic_cxr(options: Mapping) -> dict[str, tuple[str, ...]]:
    return {
        name: _packed(f"mimic-cxr-2.0.0-{name}.csv") for name in ("chexpert", "split", "metadata")
    }


def _radimagenet(options: Mapping) -> dict[str, tuple[str, ...]]:
    files = {split: _packed(f"RadiologyAI_{split}.csv") for split in ("train", "val", "test")}
    if options.get("ignore_list"):
        files["ignore_list"] = (options["ignore_list"],)
    return files


def _padchest(options: Mapping) -> dict[str, tuple[str, ...]]:
    return {"labels": _packed("PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv")}


def _vindr_cxr(options: Mapping) -> dict[str, tuple[str, ...]]:
    if options.get("release") == "kaggle":
        return {"train": _packed("train.csv")}
    wanted = ["train", "test"] if options["test"] == "official" else ["train"]
    return {
        name: _packed(f"annotations/image_labels_{name}.csv", f"image_labels_{name}.csv")
        for name in wanted
    }


def _folder(options: Mapping) -> dict[str, tuple[str, ...]]:
    if "csv" not in options:
        return {}
    if not Path(options["csv"]).is_file():
        raise InputError(
            f"`prepare: csv:` names {options['csv']}, which does not exist (looked for from "
            f"{Path.cwd()}): correct it, or "
            "leave it out where the folders name label and patient"
        )
    return {"table": (options["csv"],)}


def files_below(root: str | Path) -> Iterator[str]:
    """The files below a folder as relative paths, in order; hidden ones are left out, links are
    followed once.
    """
    seen = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        below = Path(folder).relative_to(root).as_posix()
        yield from (
            name if below == "." else f"{below}/{name}"
            for name in sorted(names)
            if not name.startswith(".")
        )


def folder_digest(root: str | Path) -> str:
    """The digest of the names below a folder: images that come or go are a change."""
    return digest("\0".join(files_below(root)).encode("utf-8", "surrogateescape"))


def _packed(*names: str) -> tuple[str, ...]:
    """Each name as it is and compressed."""
    return tuple(each for name in names for each in (name, f"{name}.gz"))


PROVIDERS: dict[str, Provider] = {
    "nih14": Provider(
        "NIH ChestX-ray14",
        "https://nihcc.app.box.com/v/ChestXray-NIHCC",
        "free to use, with a link to that page and the citation that it asks for",
        _nih14,
    ),
    "chexpert": Provider(
        "CheXpert",
        "https://stanfordaimi.azurewebsites.net/datasets/8cbd9ed4-2eb9-4565-affc-111cf4f7ebe2",
        "Stanford University Dataset Research Use Agreement, free after registration",
        _chexpert,
    ),
    "mimic-cxr": Provider(
        "MIMIC-CXR-JPG",
        "https://physionet.org/content/mimic-cxr-jpg/",
        "PhysioNet Credentialed Health Data Use Agreement, after training and credentialing",
        _mimic_cxr,
    ),
    "radimagenet": Provider(
        "RadImageNet",
        "https://www.radimagenet.com",
        "RadImageNet research agreement, on request",
        _radimagenet,
    ),
    "padchest": Provider(
        "PadChest",
        "https://bimcv.cipf.es/bimcv-projects/padchest/",
        "PadChest Dataset Research Use Agreement, free after registration",
        _padchest,
    ),
    "vindr-cxr": Provider(
        "VinDr-CXR",
        "https://physionet.org/content/vindr-cxr/ or "
        "https://www.kaggle.com/c/vinbigdata-chest-xray-abnormalities-detection",
        "PhysioNet Credentialed Health Data Use Agreement, or the rules of the Kaggle competition",
        _vindr_cxr,
    ),
    "folder": Provider("one's own folder", "", "", _folder),
}
