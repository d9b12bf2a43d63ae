"""The page of queries without Snakemake, so that a run may go on beside it: python workflow/app.py
[configuration].
"""

import argparse
import logging
import sys
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent))

from radcbir.app.server import serve
from radcbir.core.errors import InputError
from radcbir.core.logs import logger
from radcbir.project.configuration import Project

parser = argparse.ArgumentParser(
    description="Ask the finished indexes of a project with an image, on a local web page."
)
parser.add_argument(
    "configuration", nargs="?", default="config/config.yaml", help="default: %(default)s"
)
path = Path(parser.parse_args().configuration)
logger.addHandler(logging.StreamHandler())
logger.setLevel(logging.INFO)
try:
    if not path.is_file():
        raise InputError(
            f"the configuration {path} does not exist (looked for from {Path.cwd()}): name another "
            "one"
        )
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(
            f"the configuration {path} is not valid YAML: {' '.join(str(error).split())}"
        ) from None
    cards = [Path("config/models"), Path(__file__).resolve().parents[1] / "config/models"]
    serve(Project(config, cards, str(path)))
except InputError as error:
    sys.exit(f"Error: {error}")
