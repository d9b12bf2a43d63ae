"""Puts the library beside this folder on the path: it is used in every rule's environment without
an install step.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
