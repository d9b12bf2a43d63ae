"""The page of queries without Snakemake: python workflow/app.py [configuration]."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from radcbir.app.server import serve
from radcbir.core import layout
from radcbir.core.errors import InputError
from radcbir.core.logs import script_log
from radcbir.core.text.yaml_file import read_yaml
from radcbir.project.configuration import Project

parser = argparse.ArgumentParser(
    description="Query the finished indexes of a project with an image, on a local web page."
)
parser.add_argument(
    "configuration", nargs="?", default="config/config.yaml", help="default: %(default)s"
)
path = Path(parser.parse_args().configuration)
try:
    if not path.is_file():
        raise InputError(
            f"the configuration {path} does not exist (looked for from {Path.cwd()}): name another "
            "one"
        )
    config = read_yaml(path, "the configuration")
    cards = [Path("config/models"), Path(__file__).resolve().parents[1] / "config/models"]
    project = Project(config, cards, str(path))
except InputError as error:
    sys.exit(f"Error: {error}")
with script_log(layout.APP_LOG):
    serve(project)
