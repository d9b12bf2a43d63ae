"""The tensors of timm's networks in the files that the training code of their authors wrote."""

import re

import numpy as np
import torch

DINOV3 = {"reg_token": "storage_tokens", ".gamma_1": ".ls1.gamma", ".gamma_2": ".ls2.gamma"}
"""timm's names -> those of facebookresearch/dinov3."""

EVA = {
    r"^fc_norm": "norm", r"mlp\.norm": "mlp.ffn_ln", r"mlp\.fc1_g": "mlp.w1",
    r"mlp\.fc1_x": "mlp.w2", r"mlp\.fc1": "mlp.w12", r"mlp\.fc2": "mlp.w3",
    r"q_proj\.bias": "q_bias", r"v_proj\.bias": "v_bias",
}  # fmt: skip
"""timm's names -> those of baaivision/EVA, whose code trained EVA-X."""


def of_dinov3_training(state):
    """A network of DINOv3 as the teacher of a checkpoint: beside it the token of masked patches,
    the periods of its positions, and the heads of the two losses.
    """
    teacher = {}
    for name, tensor in state.items():
        for here, there in DINOV3.items():
            name = name.replace(here, there)
        teacher[f"backbone.{name}"] = tensor
    width = state["cls_token"].shape[-1]
    teacher["backbone.mask_token"] = torch.zeros(1, width)
    teacher["backbone.rope_embed.periods"] = torch.ones(16, dtype=torch.bfloat16)
    for head in ("dino_head", "ibot_head"):
        teacher[f"{head}.mlp.0.weight"] = torch.zeros(8, width)
        teacher[f"{head}.last_layer.weight"] = torch.zeros(4, 8)
    return {"teacher": teacher}


def of_flexict_training(state):
    """A network of FlexiCT-2D as the teacher of a checkpoint: patches of slices and of volumes have
    tensors of their own, and so have their positions.
    """
    there = of_dinov3_training(state)["teacher"]
    there["backbone.rope_embed_3D.periods"] = there["backbone.rope_embed.periods"]
    found = {
        re.sub(r"(patch_embed|rope_embed)\.", r"\1_2D.", name): each for name, each in there.items()
    }
    width = state["cls_token"].shape[-1]
    found["backbone.patch_embed_3D.proj.weight"] = torch.zeros(width, 1, 8, 8, 8)
    found["backbone.patch_embed_3D.proj.bias"] = torch.zeros(width)
    return {"teacher": found}


def of_eva_training(state):
    """An EVA-02 as DeepSpeed saves it while masked patches are learned: in half precision, with what
    predicts them, the tables of its positions, and the state of the optimizer.
    """
    module = {}
    for name, tensor in state.items():
        for here, there in EVA.items():
            name = re.sub(here, there, name)
        module[name] = tensor.half()
    width = state["cls_token"].shape[-1]
    module["mask_token"] = torch.zeros(1, 1, width).half()
    module["lm_head.weight"] = torch.zeros(512, width).half()
    module["lm_head.bias"] = torch.zeros(512).half()
    for place in ("rope", "blocks.0.attn.rope"):
        for table in ("freqs_cos", "freqs_sin"):
            module[f"{place}.{table}"] = torch.zeros(196, 64).half()
    groups = [{"lr": np.float64(1e-4), "params": [0]}]
    optimizer = {
        "cur_scale": 65536.0,
        "optimizer_state_dict": {"state": {0: {"step": 1}}, "param_groups": groups},
        "fp32_groups_flat": [torch.zeros(5)],
    }
    return {"module": module, "optimizer": optimizer, "lr_scheduler": None, "epoch": 599}
