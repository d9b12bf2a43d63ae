# Where the library is: beside the rules. If the workflow is a module from a git repository, the
# library is unpacked from there, because Snakemake fetches rules and scripts from a repository one
# by one and the library is needed as a whole.

import io
import re
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.sourcecache import HostingProviderFile, LocalGitFile

if re.search(r"\s", sys.executable) and not workflow.deployment_settings.deployment_method:
    raise WorkflowError(
        f"the path of Python, {sys.executable}, contains a blank, and Snakemake does not quote it, so "
        "that every job would fail: move the project to a path without blanks and run `make setup` "
        "there, or use an environment whose path has none"
    )


def workflow_folder(basedir):
    """The folder `workflow` of this workflow, as files on disk."""
    if isinstance(basedir, LocalGitFile):
        return unpacked(Path(basedir.repo_path), basedir.ref)
    if isinstance(basedir, HostingProviderFile):
        return unpacked(Path(basedir.hosted_repo.repo_clone), basedir.ref)
    return Path(basedir.get_path_or_uri(secret_free=True)).parent


def unpacked(repository, ref):
    """The files of a commit, tag or branch, unpacked once per commit."""
    from git import Repo

    repo = Repo(repository)
    target = Path(".snakemake/radcbir", repo.commit(ref).hexsha).resolve()
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        archive = io.BytesIO()
        repo.archive(archive, ref, path=["workflow", "config"])
        archive.seek(0)
        folder = tempfile.mkdtemp(dir=target.parent)
        with tarfile.open(fileobj=archive) as files:
            files.extractall(folder, filter="data")
        try:
            Path(folder).rename(target)
        except OSError:  # another process was faster
            shutil.rmtree(folder)
    return target / "workflow"


WORKFLOW = workflow_folder(workflow.current_basedir)
sys.path.insert(0, str(WORKFLOW))

from radcbir.core.errors import InputError
from radcbir.core.text.yaml_file import read_yaml


def refuse_faulty_yaml(*paths):
    """Snakemake takes the last of two equal keys, and names no line: so read the files again."""
    for path in map(Path, paths):
        if path.is_file() and path.suffix != ".json":
            try:
                read_yaml(path, "the configuration")
            except InputError as error:
                raise WorkflowError(str(error)) from None
