"""Files of BioViL, BioViL-T, CXR-CLIP and Mammo-CLIP with random weights: the names of tensors and
files that their authors publish."""

import collections
import functools
import json
import sys
import types
import typing

import published_efficientnet
import torch
import torchvision
import transformers
from safetensors.torch import load_file, save_file
from torch import nn

from radcbir.cards import model_card

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "chest",
    "x",
    "ray",
    "mri",
    "of",
    "the",
    "brain",
    "!",
    ".",
]
BERT = {"vocab_size": 64, "num_hidden_layers": 1, "intermediate_size": 64, "initializer_range": 0.2}
OMEGACONF = {
    "omegaconf": [], "omegaconf.listconfig": ["ListConfig"], "omegaconf.dictconfig": ["DictConfig"], "omegaconf.nodes": ["AnyNode"],
    "omegaconf.base": ["ContainerMetadata", "Metadata"],
}  # fmt: skip


def shallow(monkeypatch):
    """Let ResNet-50 have one block per stage: what more of them add is more of the same."""
    resnet = functools.partial(
        torchvision.models.ResNet, torchvision.models.resnet.Bottleneck, [1] * 4
    )
    monkeypatch.setattr(
        torchvision.models, "resnet50", lambda weights=None, **options: resnet(**options)
    )


def serve(card, folder):
    """Write the files of a card of two towers; returns their tensors by name."""
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    serve_files = serve_biovil if card["architecture"].startswith("biovil") else serve_clip
    return serve_files(card, folder)


def prefixed(prefix, module):
    return {
        f"{prefix}{name}": each.contiguous().clone() for name, each in module.state_dict().items()
    }


def serve_biovil(card, folder):
    temporal = "biovil-t" in card["architecture"]
    projector = nn.Sequential(
        nn.Conv2d(512 if temporal else 2048, 128, 1, bias=False),
        nn.BatchNorm2d(128),
        nn.ReLU(),
        nn.Conv2d(128, 128, 1),
    )
    nn.init.normal_(projector[1].running_mean)
    images = prefixed("encoder.encoder.", torchvision.models.resnet50()) | prefixed(
        "projector.model.", projector
    )
    if temporal:
        images["encoder.missing_previous_emb"] = torch.randn(1, 256, 1, 1)
        images["encoder.backbone_to_vit.weight"] = torch.randn(256, 2048, 1, 1) / 45
        images["encoder.vit_pooler.type_embed"] = torch.randn(2, 1, 256)
        images["encoder.vit_pooler.blocks.0.attn.proj_q.weight"] = torch.randn(256, 256)
    image_file, text_file = list(model_card.weights_files(card))[:2]
    torch.save(images, folder / image_file)

    settings = transformers.BertConfig(**BERT)
    texts = prefixed("", transformers.BertForMaskedLM(settings)) | prefixed("cls_projection_head.", nn.ModuleDict(
        {"dense_to_hidden": nn.Linear(768, 128), "LayerNorm": nn.LayerNorm(128), "dense_to_output": nn.Linear(128, 128)}
    ))  # fmt: skip
    texts |= {"bert.embeddings.position_ids": torch.arange(512)[None]}
    texts |= {
        "bert.pooler.dense.weight": torch.randn(768, 768),
        "bert.pooler.dense.bias": torch.randn(768),
    }
    (save_file if text_file.endswith(".safetensors") else torch.save)(texts, folder / text_file)
    written = settings.to_dict() | {
        "architectures": ["CXRBertModel"], "model_type": "cxr-bert", "projection_size": 128,
        "auto_map": {"AutoConfig": "configuration_cxrbert.CXRBertConfig", "AutoModel": "modeling_cxrbert.CXRBertModel"},
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(written))
    tokenizer = {
        "do_lower_case": True, "do_basic_tokenize": True, "model_max_length": 512, "tokenizer_class": "CXRBertTokenizer",
        "auto_map": {"AutoTokenizer": ["configuration_cxrbert.CXRBertTokenizer", None]},
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    special = {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
    }
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    return images | texts


def serve_clip(card, folder):
    settings = transformers.BertConfig(**BERT)
    bert = transformers.BertModel(settings)
    state = prefixed("text_encoder.text_encoder.", bert) | {"logit_scale": torch.tensor(2.66)}
    state["text_encoder.text_encoder.embeddings.position_ids"] = torch.arange(512)[None]
    if "swin" in card["architecture"]:
        transformers.SwinModel(transformers.SwinConfig(initializer_range=0.1)).save_pretrained(
            folder / "swin"
        )
        swin = load_file(folder / "swin/model.safetensors")
        state |= {f"image_encoder.image_encoder.{name}": each for name, each in swin.items()}
        place = "image_encoder.image_encoder.encoder.layers.0.blocks.0.attention.self.relative_position_index"
        state[place] = torch.zeros(49, 49)
        width = 768
    elif card["architecture"].startswith("mammo-clip"):
        kind = card["architecture"][-2:]
        images = published_efficientnet.state(kind)
        state |= {f"image_encoder.{name}": each for name, each in images.items()}
        width = published_efficientnet.width(kind)
    else:
        resnet = prefixed("image_encoder.resnet.", torchvision.models.resnet50())
        state |= {name: each for name, each in resnet.items() if ".fc." not in name}
        width = 2048
    state |= prefixed("image_projection.projection.", nn.Linear(width, 512))
    state |= prefixed("text_projection.projection.", nn.Linear(768, 512))
    path = folder / next(iter(model_card.weights_files(card)))
    path.parent.mkdir(exist_ok=True)
    save_checkpoint(state, path)
    (folder / "config.json").write_text(json.dumps(settings.to_dict() | {"model_type": "bert"}))
    return state


def save_checkpoint(state, path):
    """A checkpoint of CXR-CLIP's trainer, which is Mammo-CLIP's as well: the tensors, the optimizer's, and settings with lists of
    OmegaConf among them."""
    kinds = {}
    for name, classes in OMEGACONF.items():
        module = types.ModuleType(name)
        for each in classes:
            kinds[each] = type(each, (), {"__module__": name})
            setattr(module, each, kinds[each])
        sys.modules[name] = module
    try:
        root, scale, node = kinds["DictConfig"](), kinds["ListConfig"](), kinds["AnyNode"]()
        node.__dict__ |= {"_parent": scale, "_val": 0.8, "_metadata": kinds["Metadata"]()}
        about = kinds["ContainerMetadata"]()
        cache = collections.defaultdict(dict, {"hydra": {"run.dir": "outputs"}})
        about.__dict__ |= {
            "ref_type": typing.Any,
            "object_type": list,
            "resolver_cache": cache,
            "key_type": int,
        }
        scale.__dict__ |= {"_parent": root, "_content": [node], "_metadata": about}
        root.__dict__ |= {"_parent": None, "_content": {"scale": scale}}
        config = {
            "base": {"image_size": 224},
            "transform": {"train": {"RandomResizedCrop": {"scale": scale}}},
        }
        optimizer = {
            "state": {0: {"exp_avg": torch.zeros(2)}},
            "param_groups": [{"lr": 5e-5, "betas": (0.9, 0.999)}],
        }
        whole = {
            "model": state,
            "optimizer": optimizer,
            "scheduler": {"last_epoch": 9},
            "config": config,
            "epoch": 15,
        }
        torch.save(whole | {"train_loss": 0.5}, path)
    finally:
        for name in OMEGACONF:
            del sys.modules[name]
