"""A tiny CLIP with random weights, in the files and folders that the hub serves, and its model
card."""

import json
from pathlib import Path

import open_clip
import torch
import yaml
from conftest import Project
from safetensors.torch import save_file

CONFIGURATION = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 20, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
TALL = CONFIGURATION | {"vision_cfg": CONFIGURATION["vision_cfg"] | {"image_size": [48, 32]}}
"""The same for images that are not square: 48 rows, 32 columns."""

NAMES = ["open_clip_config.json", "open_clip_model.safetensors"]


def serve(folder: Path, seed: int, configuration: dict = CONFIGURATION) -> list[str]:
    """Write the model's files: their addresses."""
    folder.mkdir()
    (folder / NAMES[0]).write_text(json.dumps({"model_cfg": configuration}))
    torch.manual_seed(seed)
    state = {
        name: each.contiguous().clone()
        for name, each in open_clip.CLIP(**configuration).state_dict().items()
    }
    save_file(state, folder / NAMES[1])
    return [(folder / name).as_uri() for name in NAMES]


def add_to(project: Project, configuration: dict = CONFIGURATION) -> None:
    """Serve the model in a project's folder and give it a card, `tiny-clip`."""
    card = {
        "name": "tiny CLIP", "loader": "open_clip", "architecture": "tiny", "pooling": "projection", "dimension": 24,
        "weights": {"files": [{"url": each} for each in serve(project / "served", 0, configuration)]},
        "preprocessing": {"size": configuration["vision_cfg"]["image_size"], "resize": "shortest", "crop_pct": 1.0, "interpolation": "bicubic", "mean": [0.5] * 3, "std": [0.5] * 3},
        "text_tower": True, "licence": "none",
    }  # fmt: skip
    (project / "config/models/tiny-clip.yaml").write_text(yaml.safe_dump(card, sort_keys=False))
