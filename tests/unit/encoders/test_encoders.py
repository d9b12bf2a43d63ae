"""Encoders: the right preprocessing, the right weights in the right places, the same vector for the
same image."""

import hashlib
import re
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
import timm
import torch
import yaml
from PIL import Image
from tiny_networks import TINY, TINY_VIT, encode, noise

from radcbir.cards import model_card
from radcbir.cards.versions import size_of
from radcbir.core.errors import InputError
from radcbir.embedding.batches import BatchSize, encoded
from radcbir.encoders import OutOfMemory, load_encoder
from radcbir.encoders.patches import seen
from radcbir.encoders.preprocessing import preprocessed
from radcbir.encoders.weights_file import read_tensors

ROOT = Path(__file__).parents[3]
DEMO = yaml.safe_load((ROOT / "config/config.yaml").read_text())["models"]
CARDS = {slug: model_card.load_card(ROOT / f"config/models/{slug}.yaml") for slug in sorted(DEMO)}
CARDS = {slug: card for slug, card in CARDS.items() if card["loader"] != "fusion"}
PRETRAINED = [slug for slug, card in CARDS.items() if model_card.weights_file(card)]


@pytest.fixture(scope="module")
def photographs():
    """A photograph of a Chinese palace and one of a flower, which come with scikit-learn."""
    return [Image.fromarray(image) for image in sklearn.datasets.load_sample_images().images]


def pretrained(slug, **changes):
    card = CARDS[slug]
    path = ROOT / "resources/weights" / slug / model_card.weights_file(card)
    assert path.is_file(), f"{path} is missing: run `make weights`"
    return load_encoder(slug, card | changes, path, "cpu")


# --- preprocessing ---


def preprocessed_by_timm(image, wanted):
    """The peer: timm's own transform for the same preprocessing, resizing and cropping one after
    the other."""
    modes = {"shortest": "center", "squash": "squash", "pad": "border"}
    transform = timm.data.create_transform(
        (3, *size_of(wanted)), crop_mode=modes[wanted["resize"]],
        **{name: wanted[name] for name in ("crop_pct", "interpolation", "mean", "std")},
    )  # fmt: skip
    return transform(image.convert("RGB")).numpy()


def assert_same_preprocessing(encoder, images, wanted):
    for image in images:
        found = encoder.batch([encoder.preprocess(image)])
        assert (found.shape, found.dtype) == ((1, 3, *size_of(wanted)), torch.float32)
        np.testing.assert_allclose(found[0].numpy(), preprocessed_by_timm(image, wanted), atol=1e-5)


SHAPES = [(150, 120), (500, 333), (33, 700), (96, 96), (1001, 64), (225, 224)]


@pytest.mark.parametrize("slug", [slug for slug, card in CARDS.items() if card["loader"] == "timm"])
def test_each_card_preprocesses_as_it_says(slug, photographs):
    card = CARDS[slug] | {"weights": {"random_seed": 0}}  # the network plays no part here
    encoder = load_encoder(slug, card, None, "cpu")
    noises = [noise(seed, *shape) for seed, shape in enumerate(SHAPES)]
    assert_same_preprocessing(
        encoder, [*photographs, *noises, noises[0].convert("L")], card["preprocessing"]
    )


@pytest.mark.parametrize("crop_pct", [0.8, 1.0])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("resize", ["shortest", "squash", "pad"])
def test_ways_of_preprocessing(resize, interpolation, crop_pct):
    wanted = TINY["preprocessing"] | {
        "resize": resize,
        "interpolation": interpolation,
        "crop_pct": crop_pct,
    }
    encoder = load_encoder("tiny", TINY | {"preprocessing": wanted}, None, "cpu")
    noises = [noise(seed, *shape) for seed, shape in enumerate(SHAPES)]
    assert_same_preprocessing(encoder, [*noises, noises[1].convert("L")], wanted)


@pytest.mark.parametrize("size", [[60, 90], [128, 48]])
@pytest.mark.parametrize("resize", ["squash", "pad"])
def test_inputs_that_are_not_square(resize, size):
    """Height before width; timm has it so as well."""
    wanted = TINY["preprocessing"] | {"resize": resize, "size": size}
    encoder = load_encoder("tiny", TINY | {"preprocessing": wanted}, None, "cpu")
    noises = [noise(seed, *shape) for seed, shape in enumerate(SHAPES)]
    assert_same_preprocessing(encoder, [*noises, noises[1].convert("L")], wanted)


@pytest.mark.parametrize(
    ("width", "height", "scaled", "cropped"),
    [
        (300, 100, (120, 40), (30, 0)),  # the height decides
        (60, 100, (60, 100), (0, 30)),  # the width decides
        (150, 100, (60, 40), (0, 0)),  # of the input's own shape
    ],
)
def test_shortest_covers_an_input_that_is_not_square(width, height, scaled, cropped):
    """Hand-worked for 40 rows and 60 columns."""
    wanted = TINY["preprocessing"] | {"size": [40, 60], "crop_pct": 1.0}
    image = noise(3, width, height)
    left, top = cropped
    expected = image.resize(scaled, Image.Resampling.BICUBIC).crop((left, top, left + 60, top + 40))
    found = preprocessed(image, wanted)
    assert np.array_equal(found, np.asarray(expected).transpose(2, 0, 1))
    square, same = (preprocessed(image, wanted | {"size": each}) for each in (40, [40, 40]))
    assert np.array_equal(square, same)


def test_an_image_in_the_corner_of_an_input_that_is_not_square():
    """Hand-worked: 60 x 100 pixels become 30 x 50 of an input 60 wide and 50 high, whose right half
    is zero; the mean inside is that of the left cells."""
    wanted = TINY["preprocessing"] | {"size": [50, 60], "resize": "corner", "crop_pct": 1.0}
    card = TINY | {"preprocessing": wanted, "pooling": "inside"}
    encoder = load_encoder("tiny", card, None, "cpu")
    pixels = encoder.preprocess(noise(1, 60, 100))
    assert pixels.shape == (3, 50, 30)
    batch = encoder.batch([pixels])
    assert batch.shape == (1, 3, 50, 60)
    assert (batch[..., 30:] == 0).all() and (batch[..., :30] != 0).any()
    with torch.inference_mode():
        features = encoder.feature_map(batch)[0]
    assert features.shape[1:] == (2, 2)
    np.testing.assert_allclose(
        encoder.encode([pixels])[0], features[:, :, :1].mean(dim=(1, 2)), atol=1e-6
    )
    assert seen(encoder, pixels).size == (60, 50)


def test_padding_keeps_the_whole_image():
    """White, twice as wide as high, between borders of the mean color: there the normalised values
    are zero."""
    wanted = TINY["preprocessing"] | {"resize": "pad", "crop_pct": 1.0}
    encoder = load_encoder("tiny", TINY | {"preprocessing": wanted}, None, "cpu")
    found = encoder.batch([encoder.preprocess(Image.new("L", (192, 96), "white"))])[0].numpy()
    white = (1 - np.reshape(wanted["mean"], (3, 1, 1))) / np.reshape(wanted["std"], (3, 1, 1))
    np.testing.assert_allclose(found[:, :24], 0, atol=0.01)
    np.testing.assert_allclose(found[:, 24:72], np.broadcast_to(white, (3, 48, 96)), atol=1e-5)
    np.testing.assert_allclose(found[:, 72:], 0, atol=0.01)


def test_without_antialiasing_pixels_are_passed_over_and_nothing_is_rounded():
    """Hand-worked: every third of these columns is seen, and between columns half of each."""
    wanted = TINY["preprocessing"] | {
        "size": 96,
        "resize": "squash",
        "crop_pct": 1.0,
        "interpolation": "bilinear",
    }
    encoder = load_encoder(
        "tiny", TINY | {"preprocessing": wanted | {"antialias": False}}, None, "cpu"
    )
    stripes = np.zeros((96, 288), dtype=np.uint8)
    stripes[:, 1::3] = 200
    found = encoder.preprocess(Image.fromarray(stripes))
    assert (found.shape, found.dtype) == ((1, 96, 96), np.float32) and (found == 200).all()
    stripes = np.zeros((96, 192), dtype=np.uint8)
    stripes[:, 1::2] = 201
    image = Image.fromarray(stripes)
    assert (encoder.preprocess(image) == 100.5).all()
    batch = encoder.batch([encoder.preprocess(image), encoder.preprocess(image.convert("RGB"))])
    expected = (100.5 / 255 - np.reshape(wanted["mean"], (3, 1, 1))) / np.reshape(
        wanted["std"], (3, 1, 1)
    )
    np.testing.assert_allclose(batch.numpy(), np.broadcast_to(expected, (2, 3, 96, 96)), atol=1e-6)
    assert np.asarray(seen(encoder, encoder.preprocess(image))).tolist() == [[100] * 96] * 96


@pytest.mark.parametrize(
    "changes",
    [
        {"antialias": False, "crop_pct": 0.9, "resize": "squash"},
        {"antialias": False},
        {"canvas": 320},
        {"resize": "black_square", "size": [96, 64]},
        {"size": [96]},
        {"size": [96, 96, 96]},
        {"size": [96, 7]},
        {"size": 96.5},
    ],
)
def test_preprocessing_that_nothing_does_is_refused(tmp_path, changes):
    path = tmp_path / "odd.yaml"
    card = {
        name: TINY[name]
        for name in ("name", "loader", "architecture", "pooling", "dimension", "licence", "weights")
    }
    path.write_text(
        yaml.safe_dump(
            card | {"preprocessing": TINY["preprocessing"] | {"crop_pct": 1.0} | changes}
        )
    )
    with pytest.raises(InputError, match="odd.yaml"):
        model_card.load_card(path)


def test_a_known_image_becomes_known_numbers():
    """Hand-worked: a gray of 51 is 0.2; (0.2 - 0.5) / 0.2 = -1.5, (0.2 - 0.4) / 0.3 = -2/3, (0.2 -
    0.3) / 0.4 = -1/4."""
    encoder = load_encoder("tiny", TINY, None, "cpu")
    for image in (Image.new("RGB", (300, 200), (51, 51, 51)), Image.new("L", (300, 200), 51)):
        found = encoder.batch([encoder.preprocess(image)])[0].numpy()
        for channel, value in enumerate((-1.5, -2 / 3, -0.25)):
            np.testing.assert_allclose(found[channel], value, atol=1e-6)


# --- pretrained weights ---


@pytest.mark.parametrize("slug", [slug for slug in PRETRAINED if slug != "mobilenetv2"])
def test_imagenet_classes_come_out_right(slug, photographs):
    """The weights are in their places: a palace is called a palace."""
    names = timm.data.ImageNetInfo()
    logits = encode(pretrained(slug, pooling="logits", dimension=1000), photographs)
    best = [names.index_to_description(int(each)).split(",")[0] for each in logits.argmax(axis=1)]
    assert best[0] == "palace"
    five = [
        names.index_to_description(int(each)).split(",")[0] for each in np.argsort(-logits[1])[:5]
    ]
    assert "daisy" in five or "bee" in five, five


def normalisation_agreement(encoder, images):
    """Median over the batch normalisations of the correlation of their stored with the images' own
    channel means."""
    found = []

    def compare(module, inputs, _):
        means = inputs[0].mean(dim=(0, 2, 3)).numpy()
        found.append(np.corrcoef(means, module.running_mean.numpy())[0, 1])

    layers = [each for each in encoder.model.modules() if isinstance(each, torch.nn.BatchNorm2d)]
    handles = [each.register_forward_hook(compare) for each in layers]
    encode(encoder, images)
    for handle in handles:
        handle.remove()
    return float(np.median(found))


@pytest.mark.parametrize("slug", PRETRAINED)
def test_activations_have_the_statistics_that_the_training_left(slug, photographs):
    """Works without a classifier too: on photographs each layer meets the channel means it met in
    training."""
    encoder = pretrained(slug)
    assert normalisation_agreement(encoder, photographs) > 0.9
    # The same tensors, those of equal shape in another order: what a wrong key mapping would do.
    state = encoder.model.state_dict()
    shapes = {}
    for name, tensor in state.items():
        shapes.setdefault(tensor.shape, []).append(name)
    swapped = {
        name: state[names[place - 1]]
        for names in shapes.values()
        for place, name in enumerate(names)
    }
    encoder.model.load_state_dict(swapped)
    assert normalisation_agreement(encoder, photographs) < 0.6


GOLDEN = {
    "efficientnet-lite0": (15.1277, {164: 3.0499, 702: 2.6466, 1190: 2.3784}),
    "efficientnet-lite1": (14.019, {768: 2.8191, 632: 2.1921, 125: 2.1651}),
    "efficientnet-lite2": (12.3765, {1048: 1.9946, 1248: 1.9184, 1122: 1.9042}),
    "histogram": (1, {52: 0.21899, 61: 0.21477, 60: 0.19829}),
    "mobilenetv2": (28.0312, {284: 3.1001, 1255: 2.8647, 360: 2.7897}),
    "random-resnet18": (2.55956, {398: 0.47224, 241: 0.41849, 88: 0.40509}),
    "thumbnail": (1201.98, {255: -135.74, 179: -134.79, 239: -130.07}),
}
"""Length and three largest places of the vector of scikit-learn's palace: no change of code or
library may move them."""


@pytest.mark.parametrize(
    "slug", [slug for slug, card in CARDS.items() if not model_card.is_precomputed(card)]
)
def test_golden_embeddings(slug, photographs):
    assert slug in GOLDEN, f"record the golden embedding of the new card '{slug}' here"
    encoder = (
        pretrained(slug) if slug in PRETRAINED else load_encoder(slug, CARDS[slug], None, "cpu")
    )
    vector = encode(encoder, photographs[:1])[0]
    length, places = GOLDEN[slug]
    assert (vector.shape, vector.dtype) == ((CARDS[slug]["dimension"],), np.float32)
    assert np.linalg.norm(vector) == pytest.approx(length, rel=1e-3)
    assert {place: vector[place] for place in places} == pytest.approx(places, rel=1e-3)


# --- what every encoder keeps ---


@pytest.mark.parametrize(
    "card", [TINY, TINY_VIT, CARDS["thumbnail"], CARDS["histogram"]], ids=lambda each: each["name"]
)
def test_a_vector_does_not_depend_on_the_batch_or_the_run(card):
    images = [noise(seed) for seed in range(32)]
    first, second = (load_encoder("tiny", card, None, "cpu") for _ in range(2))
    together = encode(first, images)
    assert (encode(first, images) == together).all()
    assert (encode(second, images) == together).all()
    alone = np.concatenate([encode(first, [image]) for image in images])
    np.testing.assert_allclose(alone, together, rtol=1e-4, atol=1e-5)
    assert np.ptp(together, axis=0).max() > 0


def test_another_seed_is_another_network():
    card = TINY | {"weights": {"random_seed": 4}}
    both = [encode(load_encoder("tiny", each, None, "cpu"), [noise(0)]) for each in (TINY, card)]
    assert np.abs(both[0] - both[1]).max() > 1e-3


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_lower_precision_stays_near(precision):
    exact = encode(load_encoder("tiny", TINY, None, "cpu"), [noise(0)])[0]
    found = encode(load_encoder("tiny", TINY | {"precision": precision}, None, "cpu"), [noise(0)])[
        0
    ]
    assert found.dtype == np.float32
    assert 0 < np.abs(found - exact).max() < 0.1 * np.abs(exact).max()


# --- controls, by hand ---


def test_the_cosine_of_thumbnails_is_their_correlation():
    encoder = load_encoder("thumbnail", CARDS["thumbnail"], None, "cpu")
    gray = [
        np.random.default_rng(seed).integers(0, 256, (16, 16), dtype=np.uint8) for seed in (0, 1)
    ]
    a, b = encode(encoder, [Image.fromarray(each).convert("RGB") for each in gray]).astype(
        np.float64
    )
    expected = np.corrcoef(gray[0].ravel(), gray[1].ravel())[0, 1]
    assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) == pytest.approx(expected, abs=1e-6)
    assert not encode(encoder, [Image.new("RGB", (50, 50), (70, 70, 70))]).any()


def test_the_cosine_of_histograms_is_the_bhattacharyya_coefficient():
    encoder = load_encoder("histogram", CARDS["histogram"], None, "cpu")
    # Half black and half white against a quarter and three quarters: sqrt(1/2 * 1/4) + sqrt(1/2 *
    # 3/4).
    pictures = [
        np.array([0] * zeros + [255] * (8 - zeros), dtype=np.uint8).reshape(2, 4)
        for zeros in (4, 2)
    ]
    a, b = encode(encoder, [Image.fromarray(each).convert("RGB") for each in pictures]).astype(
        np.float64
    )
    assert (a @ a, b @ b) == pytest.approx((1, 1))
    assert a @ b == pytest.approx(np.sqrt(1 / 8) + np.sqrt(3 / 8), abs=1e-6)


# --- poolings ---


def test_poolings_of_a_vision_transformer(tmp_path):
    images = [noise(0), noise(1)]
    encoders = {
        each: load_encoder("tiny", TINY_VIT | {"pooling": each}, None, "cpu")
        for each in ("cls", "mean")
    }
    model = encoders["cls"].model
    with torch.inference_mode():
        batch = encoders["cls"].batch([encoders["cls"].preprocess(each) for each in images])
        tokens = model.forward_features(batch).numpy()
    assert model.num_prefix_tokens == 1
    np.testing.assert_allclose(encode(encoders["cls"], images), tokens[:, 0], atol=1e-5)
    np.testing.assert_allclose(
        encode(encoders["mean"], images), tokens[:, 1:].mean(axis=1), atol=1e-5
    )


def test_the_mean_of_a_feature_map_is_what_a_convolutional_network_pools():
    pooled, mean = (
        load_encoder("tiny", TINY | {"pooling": each}, None, "cpu") for each in ("pooled", "mean")
    )
    np.testing.assert_allclose(encode(pooled, [noise(0)]), encode(mean, [noise(0)]), atol=1e-5)


# --- weights files ---


def saved(tmp_path, state, card=TINY, name="weights.pth", **options):
    """A card and a weights file that belong together."""
    path = tmp_path / name
    if name.endswith(".safetensors"):
        from safetensors.torch import save_file

        save_file(state, path)
    else:
        torch.save(state, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return card | {"weights": {"url": "file:///x", "sha256": digest, **options}}, path


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(7)
    return timm.create_model("test_resnet").eval().state_dict()


@pytest.mark.parametrize(
    ("wrap", "name"),
    [
        (dict, "a.pth"),
        (dict, "a.safetensors"),
        (
            lambda state: {
                "epoch": 3,
                "state_dict": {f"module.{name}": each for name, each in state.items()},
            },
            "a.pth",
        ),
        (lambda state: {"model": state}, "a.bin"),
        (lambda state: {"module": state, "optimizer": {"groups": [torch.ones(2)]}}, "b.pt"),
        (
            lambda state: {
                "state_dict": state,
                "optimizer": {"lr": np.float64(0.1), "step": np.int64(2)},
            },
            "a.pt",
        ),
    ],
    ids=["plain", "safetensors", "training checkpoint", "nested", "DeepSpeed", "numbers of NumPy"],
)
def test_weights_of_every_wrapping_give_the_same_vector(tmp_path, state, wrap, name):
    model = timm.create_model("test_resnet").eval()
    model.load_state_dict(state)
    card, path = saved(tmp_path, wrap(state), name=name)
    encoder = load_encoder("tiny", card, path, "cpu")
    with torch.inference_mode():
        features = model.forward_features(encoder.batch([encoder.preprocess(noise(0))]))
        expected = model.forward_head(features, pre_logits=True).numpy()
    np.testing.assert_allclose(encode(encoder, [noise(0)]), expected, atol=1e-5)


def test_numbers_of_an_older_numpy_are_read(tmp_path, state):
    """NumPy 1 had its numbers in another module than NumPy 2, and the files of both name that
    module."""
    _, path = saved(tmp_path, {"state_dict": state, "rate": np.float32(0.1)}, name="new.pt")
    older = tmp_path / "older.pt"
    with zipfile.ZipFile(path) as there, zipfile.ZipFile(older, "w") as here:
        for name in there.namelist():
            content = there.read(name)
            changed = content.replace(b"numpy._core.multiarray\n", b"numpy.core.multiarray\n")
            assert (changed != content) == name.endswith("data.pkl")
            here.writestr(name, changed)
    found, expected = read_tensors(older, "tiny"), read_tensors(path, "tiny")
    assert found.keys() == expected.keys() == state.keys()
    assert all((found[name] == state[name]).all() for name in state)


def test_tensors_take_the_names_of_the_architecture(tmp_path, state):
    """Of two starts the first counts; a tensor whose new name is another's keeps its own, and is
    left over."""
    other = {
        re.sub("^conv1[.]", "stem.", re.sub("^fc[.]", "stem.fc.", name)): each
        for name, each in state.items()
    }
    plain_card, plain = saved(tmp_path, state, name="plain.pth")
    card, path = saved(tmp_path, other, renamed={"stem.fc.": "fc.", "stem.": "conv1."})
    found = encode(load_encoder("tiny", card, path, "cpu"), [noise(0)])
    assert (found == encode(load_encoder("tiny", plain_card, plain, "cpu"), [noise(0)])).all()
    assert "renamed" in model_card.card_meaning(card)["weights"]
    card, path = saved(
        tmp_path, dict(state) | {"old.fc.bias": torch.zeros(1000)}, renamed={"old.": ""}
    )
    with pytest.raises(InputError, match=r"1 tensors are left over \(old.fc.bias\)"):
        load_encoder("tiny", card, path, "cpu")


def test_weights_in_order_under_other_names(tmp_path, state):
    renamed = {f"layer{place}": tensor for place, tensor in enumerate(state.values())}
    card, path = saved(tmp_path, renamed, layout="ordered")
    plain_card, plain = saved(tmp_path, state, name="plain.pth")
    found = encode(load_encoder("tiny", card, path, "cpu"), [noise(0)])
    assert (found == encode(load_encoder("tiny", plain_card, plain, "cpu"), [noise(0)])).all()


def change(state, **changes):
    changed = dict(state)
    for name, tensor in changes.items():
        name = name.replace("__", ".")
        if tensor is None:
            del changed[name]
        else:
            changed[name] = tensor
    return changed


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"conv1__0__weight": None}, {}, r"1 tensors are missing \(conv1.0.weight\)"),
        ({"extra__weight": torch.zeros(1)}, {}, r"1 tensors are left over \(extra.weight\)"),
        ({"conv1__0__weight": torch.zeros(2, 2)}, {}, r"conv1.0.weight is \(2, 2\) where"),
        (
            {"conv1__0__weight": torch.zeros(2, 2)},
            {"layout": "ordered"},
            r"tensor 0 is conv1.0.weight \(2, 2\) where",
        ),
        (
            {"extra__weight": torch.zeros(1)},
            {"layout": "ordered"},
            "93 tensors where 92 are expected",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path, state, changes, options, message):
    card, path = saved(tmp_path, change(state, **changes), **options)
    with pytest.raises(
        InputError, match=f"the weights of the model 'tiny' do not fit its architecture: {message}"
    ):
        load_encoder("tiny", card, path, "cpu")


def test_weights_without_a_classifier_do_for_embeddings(tmp_path, state):
    body = {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}
    card, path = saved(tmp_path, body)
    assert encode(load_encoder("tiny", card, path, "cpu"), [noise(0)]).shape == (1, 96)
    with pytest.raises(InputError, match="tensors are missing"):
        load_encoder("tiny", card | {"pooling": "logits", "dimension": 1000}, path, "cpu")


class Malicious:
    def __reduce__(self):
        return Path.touch, (Path("/tmp/radcbir-was-here"),)


def test_code_in_a_weights_file_is_not_run(tmp_path, state):
    card, path = saved(tmp_path, dict(state) | {"evil": Malicious()})
    with pytest.raises(InputError, match="'tiny' cannot be read"):
        load_encoder("tiny", card, path, "cpu")
    assert not Path("/tmp/radcbir-was-here").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>404</html>", "cannot be read"),
        (b"", "cannot be read"),
        (None, "holds no tensors by name"),
    ],
    ids=["web page", "empty", "no tensors"],
)
def test_files_that_are_no_weights(tmp_path, content, message):
    card, path = saved(tmp_path, {"epoch": 3})
    if content is not None:
        path.write_bytes(content)
        card["weights"]["sha256"] = hashlib.sha256(content).hexdigest()
    with pytest.raises(InputError, match=message):
        load_encoder("tiny", card, path, "cpu")


def test_a_file_that_changed_after_it_was_fetched_is_refused(tmp_path, state):
    card, path = saved(tmp_path, state)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(InputError, match="has the SHA-256"):
        load_encoder("tiny", card, path, "cpu")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"dimension": 100},
            "says `dimension: 100`, but test_resnet with `pooling: pooled` gives 96",
        ),
        (
            {"architecture": "test_resnett"},
            "'test_resnett', which timm .* does not know: did you mean test_resnet",
        ),
        ({"pooling": "cls"}, "says `pooling: cls`, but test_resnet has no class token"),
        ({"loader": "control", "architecture": "thumbnail"}, "has 256: correct the card"),
    ],
)
def test_cards_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        load_encoder("tiny", TINY | changes, None, "cpu")


def test_a_library_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.delitem(sys.modules, "radcbir.encoders.loaders.timm_encoder")
    with pytest.raises(InputError, match="'tiny' has `loader: timm`, which needs timm: install"):
        load_encoder("tiny", TINY, None, "cpu")


def test_a_gpu_that_is_not_there():
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(InputError, match="`device: cuda` is configured, but torch sees no GPU"):
        load_encoder("tiny", TINY, None, "cuda")


@pytest.mark.gpu
@pytest.mark.parametrize("card", [TINY, TINY_VIT, "efficientnet-lite0"])
def test_a_gpu_gives_the_vectors_of_the_cpu(card, photographs):
    if not torch.cuda.is_available():
        pytest.skip("this machine has no GPU")
    slug, card = (card, CARDS[card]) if isinstance(card, str) else ("tiny", card)
    cpu, gpu = (
        encode(load_encoder(slug, card, None, device), [*photographs, *map(noise, range(6))])
        for device in ("cpu", "cuda")
    )
    cpu, gpu = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (cpu, gpu))
    np.testing.assert_allclose(gpu, cpu, atol=1e-4)


def test_a_full_gpu_asks_for_a_smaller_batch(monkeypatch):
    encoder = load_encoder("tiny", TINY, None, "cpu")

    def full(batch):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(encoder, "pool", full)
    with pytest.raises(OutOfMemory, match="2 images do not fit"):
        encode(encoder, [noise(0), noise(1)])


def test_a_gpu_that_fails_is_one_sentence(monkeypatch):
    encoder = load_encoder("tiny", TINY, None, "cpu")

    def fail(batch):
        raise RuntimeError(
            "CUDA error: unspecified launch failure\nCUDA kernel errors might be ..."
        )

    monkeypatch.setattr(encoder, "pool", fail)
    with pytest.raises(
        InputError, match=r"failed while it computed \(unspecified launch failure\): run again"
    ):
        encode(encoder, [noise(0)])


@pytest.mark.gpu
def test_batches_under_way_give_the_vectors_of_one_at_a_time(photographs):
    """On a GPU one is copied while another is computed; buffers must not be used twice."""
    encoder = load_encoder("tiny", TINY, None, "cuda" if torch.cuda.is_available() else "cpu")
    batches = [
        [encoder.preprocess(each) for each in (*photographs, noise(n), noise(n + 1))]
        for n in range(6)
    ]
    expected = [encoder.encode(batch) for batch in batches]
    waiting = [encoder.begin(batch) for batch in batches]
    for wait, vectors in zip(waiting, expected, strict=True):
        np.testing.assert_array_equal(wait(), vectors)


@pytest.mark.gpu
def test_a_gpu_without_memory_for_a_batch_takes_smaller_ones(caplog):
    if not torch.cuda.is_available():
        pytest.skip("this machine has no GPU")
    caplog.set_level("WARNING")
    encoder = load_encoder("tiny", TINY, None, "cuda")
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (1, 96, 96), dtype=np.uint8) for _ in range(5000)]
    expected = np.concatenate([encoder.encode(images[n : n + 500]) for n in range(0, 5000, 500)])
    torch.cuda.empty_cache()
    memory = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((256 << 20) / memory, 0)
    try:  # 4,096 images alone take 453 MB in float32
        size = BatchSize(4096, grows=True)
        found = [vectors for _, vectors in encoded(enumerate(images), encoder, size)]
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, 0)
    assert size.now < 4096 and not size.grows
    assert "images do not fit into the GPU's memory: going on with 2048" in caplog.text
    np.testing.assert_allclose(np.concatenate(found), expected, atol=1e-4)
