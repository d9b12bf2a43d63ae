"""Encoders that take whole volumes: what becomes their input, the inflated network, and its weights."""

import nibabel
import numpy as np
import pytest
import torch
import torchvision
from monai.networks.nets.segresnet_ds import SegResEncoder
from safetensors.torch import save_file

from radcbir.cards.model_card import load_card
from radcbir.core.errors import InputError
from radcbir.embedding.volumes.job import embed_volumes
from radcbir.encoders import load_encoder
from radcbir.encoders.loaders.i3resnet_encoder import Inflated
from radcbir.encoders.volumes import prepared
from radcbir.images.raster import UnreadableImage
from radcbir.images.volumes import Volume

HOW = {"orientation": "RAS", "resize": "pad_or_crop", "size": [3, 3, 3], "range": {"hounsfield": [-1000, 1000]}}  # fmt: skip
CARD = {
    "name": "Tiny",
    "loader": "i3resnet",
    "architecture": "i3resnet18",
    "weights": {"random_seed": 1},
    "pooling": "pooled",
    "dimension": 512,
    "precision": "float32",
    "preprocessing": HOW | {"size": [32, 24, 16]},
}
CARDS = ("astra-i3resnet152", "merlin-i3resnet152")


def volume(values, spacing=(1, 1, 1)):
    return Volume(np.asarray(values, np.float32), np.diag([*spacing, 1.0]))


def test_a_volume_is_cut_and_filled_around_its_middle():
    values = np.array([-1000.0, -500, 0, 500, 1000])[:, None, None] * np.ones((1, 1, 1))
    found = prepared(volume(values), HOW)
    assert found.shape == (1, 3, 3, 3) and found.dtype == np.float32
    expected = np.zeros((3, 3, 3))
    expected[:, 1, 1] = [0.25, 0.5, 0.75]
    np.testing.assert_allclose(found[0], expected)


def test_spacing_is_reached_by_linear_interpolation_from_the_first_voxel_on():
    values = np.array([0.0, 100, 200, 400])[:, None, None]
    how = HOW | {"spacing": [1.5, 1, 1], "size": [3, 1, 1], "range": {"hounsfield": [0, 1000]}}
    found = prepared(volume(values), how)
    np.testing.assert_allclose(found.ravel(), [0, 0.15, 0.4], atol=1e-6)  # at 0, 1.5 and 3 mm


def test_the_foreground_is_averaged_to_the_size():
    values = np.full((6, 4, 4), -1000.0)
    values[1:5, 1:3, 1:3] = np.array([0, 100, 200, 400])[:, None, None]
    how = HOW | {"crop": "foreground", "resize": "area", "size": [2, 1, 1], "range": {"hounsfield": [-1000, 200]}}  # fmt: skip
    found = prepared(volume(values), how)
    np.testing.assert_allclose(found.ravel(), [1050 / 1200, 1.0])  # 50; 300 is beyond the range
    with pytest.raises(UnreadableImage, match="no value of the volume is above -1000"):
        prepared(volume(np.full((3, 3, 3), -1000.0)), how)


def test_spacing_around_the_middle_leaves_the_same_room_at_both_ends():
    values = np.array([0.0, 100, 200, 400, 800])[:, None, None]
    how = HOW | {"spacing": [2, 1, 1], "grid": "middle", "size": [2, 1, 1], "range": {"hounsfield": [0, 1000]}}  # fmt: skip
    found = prepared(volume(values), how)
    np.testing.assert_allclose(found.ravel(), [0.1, 0.4], atol=1e-6)  # at 1 and 3 mm, not 0, 2, 4
    finer = prepared(volume(values), how | {"spacing": [0.8, 1, 1], "size": [6, 1, 1]})
    np.testing.assert_allclose(
        finer.ravel(), [0, 0.08, 0.16, 0.28, 0.48, 0.8], atol=1e-6
    )  # 0, 0.8 ... 4
    one = prepared(volume([[[300.0]]]), how | {"size": [1, 1, 1]})
    np.testing.assert_allclose(one.ravel(), [0.3])


def test_an_odd_voxel_is_added_or_cut_off_in_front_around_the_middle():
    values = np.array([100.0, 200, 300])[:, None, None]
    how = HOW | {"range": {"hounsfield": [0, 1000]}}
    for size, usual, middle in (
        (2, [0.1, 0.2], [0.2, 0.3]),
        (4, [0.1, 0.2, 0.3, 0], [0, 0.1, 0.2, 0.3]),
    ):
        sized = how | {"size": [size, 1, 1]}
        np.testing.assert_allclose(prepared(volume(values), sized).ravel(), usual)
        np.testing.assert_allclose(
            prepared(volume(values), sized | {"grid": "middle"}).ravel(), middle
        )


def test_what_is_added_is_the_lowest_value_within_the_range():
    how = HOW | {"size": [3, 1, 1], "fill": "lowest", "mean": [0.5], "std": [0.5]}
    within, beyond = (np.array([low, 500.0])[:, None, None] for low in (-500.0, -2000.0))
    np.testing.assert_allclose(prepared(volume(within), how).ravel(), [-0.5, 0.5, -0.5])
    np.testing.assert_allclose(prepared(volume(beyond), how).ravel(), [-1, 0.5, -1])


def test_values_are_clipped_before_or_after_they_are_resampled():
    values = np.array([-1000.0, 3000])[:, None, None]
    how = HOW | {"spacing": [0.5, 1, 1], "size": [3, 1, 1]}
    np.testing.assert_allclose(prepared(volume(values), how).ravel(), [0, 1, 1])
    first = prepared(volume(values), how | {"clip": "first"})
    np.testing.assert_allclose(first.ravel(), [0, 0.5, 1])


def test_a_volume_that_is_kept_has_its_own_size():
    how = {**HOW, "resize": "keep", "orientation": "SPL", "crop": "foreground"}
    del how["size"]
    values = np.full((4, 5, 6), -1000.0)
    values[1:3, 2:5, 1:2] = np.arange(6).reshape(2, 3, 1) * 100
    found = prepared(volume(values), how)
    assert found.shape == (1, 1, 3, 2)  # up, to the back, to the left
    np.testing.assert_allclose(found[0, 0], 0.5 + np.arange(6).reshape(2, 3).T[::-1, ::-1] / 20)


def test_what_is_inflated_computes_what_the_network_of_images_does():
    """With all weight in the middle of each filter, a volume of equal slices is as one of them."""
    torch.manual_seed(0)
    flat, deep = torchvision.models.resnet18(weights=None).eval(), Inflated("resnet18").eval()
    for module in flat.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    tensors = {}
    for name, tensor in flat.state_dict().items():
        if tensor.ndim == 4:
            depth = deep.state_dict()[name].shape[2]
            inflated = torch.zeros((*tensor.shape[:2], depth, *tensor.shape[2:]))
            inflated[:, :, depth // 2] = tensor
            tensor = inflated
        tensors[name] = tensor
    deep.load_state_dict({name: each for name, each in tensors.items() if name[:3] != "fc."})
    image = torch.rand(1, 1, 64, 96)
    with torch.inference_mode():
        flat.fc = torch.nn.Identity()
        expected = flat(image.expand(1, 3, 64, 96))
        found = deep(image[..., None].expand(1, 1, 64, 96, 32))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_the_network_steps_along_all_axes_and_has_the_published_names():
    with torch.device("meta"):
        deep = Inflated("resnet152").eval()
        maps = torch.rand(1, 3, 160, 224, 224)
        for layer in deep.children():
            maps = layer(maps)
    assert maps.shape == (1, 2048, 10, 7, 7)
    shapes = {name: tuple(each.shape) for name, each in deep.state_dict().items()}
    assert len(shapes) == 930
    assert shapes["conv1.weight"] == (64, 3, 3, 7, 7)
    assert shapes["layer3.35.conv2.weight"] == (256, 256, 3, 3, 3)
    assert shapes["layer4.0.downsample.0.weight"] == (2048, 1024, 1, 1, 1)


def test_a_volume_stored_with_flipped_axes_has_the_same_vector(tmp_path):
    random = np.random.default_rng(0)
    values = random.normal(0, 400, (20, 18, 12)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([1.0, 1, 2, 1])), tmp_path / "a.nii.gz")
    turned = np.array([[0, -1.0, 0, 19], [0, 0, 1, 0], [-2, 0, 0, 22], [0, 0, 0, 1]])
    nibabel.save(
        nibabel.Nifti1Image(values[::-1, :, ::-1].transpose(2, 0, 1), turned), tmp_path / "b.nii.gz"
    )
    (tmp_path / "c.nii.gz").write_bytes(b"no volume at all")
    encoder = load_encoder("tiny", CARD, None, "cpu")
    listed = [
        (number, [f"{name}.nii.gz#axial=3"]) for number, name in ((7, "a"), (9, "c"), (8, "b"))
    ]
    ids, vectors, rejected = embed_volumes(listed, tmp_path, encoder, 2)
    assert ids.tolist() == [7, 8]
    np.testing.assert_allclose(vectors[0], vectors[1], rtol=1e-5, atol=1e-6)
    [(series, path, reason)] = rejected
    assert (series, path) == (9, "c.nii.gz#axial=3") and reason.startswith("broken")
    straight = encoder.encode([prepared(volume(values, (1, 1, 2)), CARD["preprocessing"])])
    np.testing.assert_allclose(vectors[:1], straight, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("slug", [*CARDS, "ct-fm-segres", "colipri-crm", "spectre-large"])
def test_each_card_prepares_a_volume_alike_however_its_axes_are_stored(slug):
    """Odd numbers of voxels to cut off and to add, and a spacing that is met by no voxel."""
    how = load_card(f"config/models/{slug}.yaml").preprocessing
    values = np.random.default_rng(0).normal(-200, 700, (61, 50, 43)).astype(np.float32)
    upright = Volume(
        values, np.array([[1.3, 0, 0, -9], [0, 1.7, 0, 4], [0, 0, 2.9, 1], [0, 0, 0, 1]])
    )
    turned = np.array([[0, -1.3, 0, 69], [0, 0, 1.7, 4], [-2.9, 0, 0, 122.8], [0, 0, 0, 1]])
    stored = Volume(values[::-1, :, ::-1].transpose(2, 0, 1), turned)
    if "size" in how:
        how = how | {"size": [32, 48, 64]}
    found = prepared(upright, how)
    assert np.ptp(found) > 0.5
    np.testing.assert_allclose(prepared(stored, how), found, atol=1e-5)


def files_of(slug, folder):
    """A card of the repository with a smaller network, and files of random weights in its layout."""
    card = load_card(f"config/models/{slug}.yaml").as_dict() | {
        "architecture": "i3resnet18",
        "dimension": 512,
    }
    torch.manual_seed(5)
    deep = Inflated("resnet18")
    tensors = deep.state_dict()
    if slug.startswith("astra"):  # one file of bfloat16 in three parts
        torch.save({name: each.bfloat16() for name, each in tensors.items()}, folder / "whole.pt")
        content = (folder / "whole.pt").read_bytes()
        names = list(card.pop("weights") and load_card(f"config/models/{slug}.yaml").weights_files)
        for number, name in enumerate(names):
            (folder / name).parent.mkdir(parents=True)
            part = -(-len(content) // 3)
            (folder / name).write_bytes(content[number * part : (number + 1) * part])
        return card | {"weights": {"files": {name: {} for name in names}}}, folder, deep
    named = {f"encode_image.i3_resnet.{name}": each for name, each in tensors.items()}
    for name in ("classifier.weight", "contrastive_head.bias"):
        named[f"encode_image.i3_resnet.{name}"] = torch.zeros(3)
    named |= {"logit_scale": torch.ones(()), "encode_text.linear_layer.bias": torch.zeros(512)}
    torch.save(named, folder / card["weights"]["file"])
    return card, folder / card["weights"]["file"], deep


@pytest.mark.parametrize("slug", CARDS)
def test_cards_load_random_weights_in_their_published_layout(slug, tmp_path):
    card, location, deep = files_of(slug, tmp_path)
    encoder = load_encoder(slug, card, location, "cpu")
    values = np.random.default_rng(1).random((1, 32, 32, 16), dtype=np.float32)
    with torch.inference_mode():
        if slug.startswith("astra"):
            deep = deep.bfloat16().float()
        expected = deep.eval()(torch.from_numpy(values)[None]).numpy()
    np.testing.assert_array_equal(encoder.encode([values]), expected)


def test_ct_fm_is_the_mean_of_the_last_map_of_monais_network(tmp_path):
    """In a smaller network, from a file in the published layout; two sizes in one batch."""
    card = load_card("config/models/ct-fm-segres.yaml").as_dict()
    options = {"init_filters": 4, "blocks_down": [1, 1, 2]}
    torch.manual_seed(2)
    network = SegResEncoder(**options).eval()
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    small = card | {"options": options, "dimension": 16}
    encoder = load_encoder("ct-fm", small, tmp_path / "model.safetensors", "cpu")
    random = np.random.default_rng(0)
    shapes = ((1, 24, 16, 20), (1, 16, 16, 16))
    inputs = [random.random(shape, dtype=np.float32) for shape in shapes]
    with torch.inference_mode():
        expected = [
            network(torch.from_numpy(each)[None])[-1].mean(dim=(2, 3, 4)) for each in inputs
        ]
    np.testing.assert_allclose(encoder.encode(inputs), torch.cat(expected), rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="'ct-fm' has `options:` that MONAI's SegResEncoder does"):
        load_encoder(
            "ct-fm", small | {"options": {"deep": 3}}, tmp_path / "model.safetensors", "cpu"
        )
    with pytest.raises(InputError, match="architecture 'UNet': `loader: monai` has SegResEncoder"):
        load_encoder(
            "ct-fm", small | {"architecture": "UNet"}, tmp_path / "model.safetensors", "cpu"
        )


def test_weights_and_architectures_that_do_not_fit_are_named(tmp_path):
    card, file, _ = files_of("merlin-i3resnet152", tmp_path)
    with pytest.raises(InputError, match="'merlin' do not fit its architecture: .* are missing"):
        load_encoder("merlin", card | {"architecture": "i3resnet34"}, file, "cpu")
    with pytest.raises(InputError, match="architecture 'resnet18': `loader: i3resnet` has i3resnet18, "):  # fmt: skip
        load_encoder("tiny", CARD | {"architecture": "resnet18"}, None, "cpu")
    with pytest.raises(InputError, match="says `dimension: 64`, but i3resnet18 gives 512"):
        load_encoder("tiny", CARD | {"dimension": 64}, None, "cpu")
