"""Cards of radiological encoders as they are in the repository, through Snakemake: files with the
names of the published ones and random weights, from DICOM and PNG to vectors."""

import numpy as np
import published_names
import timm
import torch
import transformers
import yaml
from conftest import rows
from dicom_series import write
from PIL import Image

from radcbir.embedding import store


def serve(project, slug, make, **changes):
    """Put the files of a card's model into a folder, and their addresses into the card."""
    folder = project / f"served/{slug}"
    folder.mkdir(parents=True)
    path = project / f"config/models/{slug}.yaml"
    card = yaml.safe_load(path.read_text())
    weights = card["weights"]
    made = make(folder, card)
    if "files" in weights:
        files = [{"url": (folder / name).as_uri()} for name in weights["files"]]
        card["weights"] = {"files": files}
    else:
        kept = {key: each for key, each in weights.items() if key in ("layout", "prefix")}
        card["weights"] = {"url": (folder / weights["file"]).as_uri()} | kept
    path.write_text(yaml.safe_dump(card | changes, sort_keys=False))
    return made


def shallow(kind, **settings):
    """A network of transformers with two layers."""

    def make(folder, card):
        configuration = getattr(transformers, f"{kind}Config")(num_hidden_layers=2, **settings)
        model = getattr(transformers, f"{kind}Model")(configuration).eval()
        model.save_pretrained(folder)
        return model

    return make


def eva(folder, card):
    """An EVA-02 with two layers in a file of its training."""
    options = card["options"] | {"depth": 2}
    model = timm.create_model(card["architecture"], img_size=224, num_classes=0, **options)
    model.load_state_dict({name: each.half() for name, each in model.state_dict().items()})
    state = published_names.of_eva_training(model.state_dict())
    torch.save(state, folder / card["weights"]["file"])
    return model.eval()


def vectors(project, model, dataset):
    path = project / f"results/embeddings/{model}/{dataset}.h5"
    ids, found = store.read([path], store.read_ids(path))
    return found[np.argsort(ids)].astype(float)


def cosine(one, other):
    return (one * other).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)


def test_published_files_become_vectors_of_slices_and_radiographs(fresh):
    torch.manual_seed(2)
    listed = [
        row | {"split": "test" if number > 3 else "train", "patient_id": f"p{number // 4}"}
        for number, row in enumerate(rows(8))
    ]
    fresh.write_csv(listed)
    random = np.random.default_rng(4)
    units = [random.integers(-1500, 2000, (30 + number, 44)) for number in range(8)]
    for number, each in enumerate(units):
        write(
            fresh / f"data/ct/{number}.dcm", (each + 2000).astype(np.uint16), BitsAllocated=16,
            BitsStored=16, HighBit=15, RescaleSlope=1, RescaleIntercept=-2000, RescaleType="HU",
        )  # fmt: skip
    slices = [row | {"filepath": f"{number}.dcm"} for number, row in enumerate(listed)]
    fresh.write_csv(slices, "data/ct.csv")
    slice_settings = {
        "image_size": 512,
        "patch_size": 16,
        "num_channels": 1,
        "use_swiglu_ffn": True,
    }
    chest = {"hidden_size": 384, "num_attention_heads": 6, "image_size": 518, "patch_size": 14}
    curia = serve(fresh, "curia-vitb16", shallow("Dinov2", **slice_settings))
    serve(fresh, "cxformer-small", shallow("Dinov2WithRegisters", **chest))
    eva_x = serve(
        fresh, "eva-x-tiny", eva, options={"patch_size": 16, "ref_feat_shape": [14, 14], "depth": 2}
    )
    here = {"index_split": "train", "query_splits": ["test"], "k": 2}
    fresh.configure(
        datasets={
            "chest": {"csv": "data/chest.csv", "images": "data/images"},
            "ct": {"csv": "data/ct.csv", "images": "data/ct"},
        },
        models=["curia-vitb16", "cxformer-small", "eva-x-tiny"],
        experiments={
            "slices": {"datasets": ["ct"], "models": ["curia-vitb16"], **here},
            "radiographs": {"datasets": ["chest"], "models": ["cxformer-small", "eva-x-tiny"], **here},
        },
        analyses=[],
    )  # fmt: skip
    pairs = [("curia-vitb16", "ct"), ("cxformer-small", "chest"), ("eva-x-tiny", "chest")]
    jobs = fresh.run(*(f"results/embeddings/{model}/{dataset}.h5" for model, dataset in pairs))
    assert (jobs["fetch_weights"], jobs["gather"]) == (5, 3)

    pictures = torch.zeros(8, 1, 512, 512)
    for number, each in enumerate(units):
        values = torch.nn.functional.interpolate(
            torch.tensor(each, dtype=torch.float32)[None, None], (512, 512), mode="bicubic", antialias=True,
        ).clamp_min(-1000)  # fmt: skip
        pictures[number] = (values - values.mean())[0] / values.std()
    with torch.inference_mode():
        expected = curia(pixel_values=pictures).last_hidden_state[:, 0].numpy()
    found = vectors(fresh, "curia-vitb16", "ct")
    assert found.shape == (8, 768)
    by_path = [int(np.argmax(cosine(expected[[n] * 8], found))) for n in range(8)]
    assert sorted(by_path) == [*range(8)], "each slice has a vector of its own"
    assert (cosine(expected, found[by_path]) > 1 - 1e-5).all()

    radiographs = []
    for row in listed:
        image = Image.open(fresh / f"data/images/{row['filepath']}").convert("RGB")
        large = image.resize((256, 256), Image.Resampling.BICUBIC).crop((16, 16, 240, 240))
        radiographs.append((np.asarray(large) / 255 - 0.49185243) / 0.28509309)
    batch = torch.tensor(np.stack(radiographs), dtype=torch.float32).permute(0, 3, 1, 2)
    with torch.inference_mode():
        expected = eva_x.fc_norm(eva_x.forward_features(batch)[:, 1:].mean(dim=1)).numpy()
    found = vectors(fresh, "eva-x-tiny", "chest")
    by_path = [int(np.argmax(cosine(expected[[n] * 8], found))) for n in range(8)]
    assert sorted(by_path) == [*range(8)]
    assert (cosine(expected, found[by_path]) > 1 - 1e-5).all()
    assert vectors(fresh, "cxformer-small", "chest").shape == (8, 384)
