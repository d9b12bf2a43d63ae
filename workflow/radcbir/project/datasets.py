"""Checks of single datasets, and what follows from the rest of the configuration."""

from collections.abc import Collection, Mapping
from pathlib import Path

from radcbir.core import layout
from radcbir.core.errors import InputError, Mistakes
from radcbir.core.files import digest_of, is_file, is_folder
from radcbir.core.machine.privacy import check_own_secret
from radcbir.datasets.providers import provider_files, registry
from radcbir.project.checks import with_defaults


def archived_files(resources: Mapping, where: str) -> dict[str, tuple[str, str]]:
    """The files that are unpacked from published archives -> the resource and the archive that each
    comes from.

    Raises :class:`InputError` for files that two archives of a resource contain.
    """
    mistakes = Mistakes()
    found: dict[str, tuple[str, str]] = {}
    for resource, settings in resources.items():
        for archive, wanted in settings["archives"].items():
            for file in wanted["files"]:
                path = str(Path("resources", resource, file))
                if path in found:
                    mistakes.add(
                        f"{where}: `resources: {resource}` takes {file} out of {found[path][1]} "
                        f"and of {archive}: keep one"
                    )
                found[path] = (resource, archive)
    mistakes.refuse()
    return found


def complete_dataset(
    name: str, dataset: dict, schema: Mapping, archived: Collection[str], csv: str, where: str
) -> dict[str, str] | None:
    """Fill in the defaults of `prepare:`; ``csv`` is where the prepared CSV will be.

    ``schema`` is that of the configuration, ``archived`` are the files that are unpacked from
    archives. Returns the provider's files by their role, or None for a dataset with a CSV of its
    own. Raises :class:`InputError` with all mistakes of the dataset.
    """
    key, mistakes = f"{where}: `datasets: {name}:", Mistakes()
    fetched = "prepare" in dataset and registry()[dataset["prepare"]["from"]].fetched
    if fetched and "images" in dataset:
        mistakes.add(
            f"{key} images` has no use beside `prepare: {{from: {dataset['prepare']['from']}}}`, "
            "which fetches the images: take it out"
        )
    images = None if fetched else dataset.get("images")
    unpacked = images is not None and any(Path(each).is_relative_to(images) for each in archived)
    if images is not None and not unpacked and not is_folder(images):
        mistakes.add(
            f"{key} images` names the folder {images}, which "
            f"{'is a file' if is_file(images) else 'does not exist'} (looked for from "
            f"{Path.cwd()}): correct it"
        )
    with mistakes.noted():
        check_intensity(dataset["intensity"], f"{key} intensity:")
    files = None
    if "prepare" in dataset:
        options = schema["$defs"][f"prepare-{dataset['prepare']['from']}"]
        dataset["prepare"] = with_defaults(dataset["prepare"], options)
        dataset["csv"] = csv
        with mistakes.noted():
            check_shares(dataset["prepare"].get("shares", {"": 1}), f"{key} prepare:`")
        with mistakes.noted():
            files = provider_files(dataset["prepare"], f"{key} prepare:`")
            if fetched:
                files["instances"] = layout.DICOMWEB_INSTANCES.format(dataset=name)
        if fetched:
            dataset["images"] = layout.DICOMWEB_IMAGES.format(dataset=name)
    elif str(Path(dataset["csv"])) not in archived and not is_file(dataset["csv"]):
        mistakes.add(
            f"{key} csv` names the CSV {dataset['csv']}, which does not exist (looked for from "
            f"{Path.cwd()}): correct it"
        )
    mistakes.refuse()
    return files


def shown(dataset: Mapping) -> dict:
    """A dataset's settings as results may have them: what a PACS is asked for may name patients,
    and is a digest. It hides names from a reader, not from somebody who tries them.
    """
    if "query" not in dataset.get("prepare", {}):
        return dict(dataset)
    asked = {"query": digest_of(dataset["prepare"]["query"])}
    return {**dataset, "prepare": {**dataset["prepare"], **asked}}


def check_intensity(intensity: Mapping, key: str) -> None:
    """Raise :class:`InputError` where an intensity policy contradicts itself."""
    mistakes = Mistakes()
    if "window" in intensity and intensity["policy"] != "window":
        mistakes.add(
            f"{key} window` is given beside `policy: {intensity['policy']}`, which does not use "
            "it: drop one"
        )
    if intensity["low"] >= intensity["high"]:
        mistakes.add(
            f"{key} low` is {intensity['low']}, not below `high: {intensity['high']}`: correct them"
        )
    mistakes.refuse()


def check_shares(shares: Mapping[str, float], key: str) -> None:
    """Raise :class:`InputError` where shares of splits do not add up to one."""
    if abs(sum(shares.values()) - 1) > 1e-6:
        raise InputError(f"{key} has `shares:` that add up to {sum(shares.values()):g}: make it 1")


def pseudonymous(datasets: Mapping[str, dict], key_file: str, where: str) -> None:
    """Change every dataset to its pseudonymised CSV and the links to its images.

    Raises :class:`InputError` where the key is missing, can be read by others or is among the
    results, or a dataset has no images.
    """
    mistakes, key = Mistakes(), f"{where}: `pseudonymise: key_file:`"
    if not is_file(key_file):
        mistakes.add(
            f"{key} names {key_file}, which does not exist (looked for from {Path.cwd()}): make a "
            "key, for instance with `openssl rand -hex 32`"
        )
    else:
        with mistakes.noted():
            check_own_secret(key_file, key)
    if Path(key_file).resolve().is_relative_to(Path("results").resolve()):
        mistakes.add(
            f"{key} names {key_file}, among the results, which are there to be shared: move it"
        )
    for name, dataset in datasets.items():
        if "images" not in dataset:
            mistakes.add(
                f"{where}: `pseudonymise:` needs images, and `datasets: {name}` has none: drop one "
                "of them"
            )
        dataset |= {
            "csv": layout.PSEUDONYMOUS_CSV.format(dataset=name),
            "images": layout.LINKED_IMAGES.format(dataset=name),
        }
    mistakes.refuse()
