"""Image files of every kind that a folder may hold, the broken ones among them."""

import zlib

import numpy as np
import pytest
from PIL import Image

from radcbir.core.errors import InputError
from radcbir.images import raster, reader
from radcbir.images.intensity import INTENSITY


def saved(tmp_path, image, name="image.png", **options):
    image.save(tmp_path / name, **options)
    return tmp_path / name


MINMAX = {"policy": "minmax", "low": 0.5, "high": 99.5}


def pixels(path, intensity=INTENSITY):
    image = reader.read(path, intensity)
    assert image.mode in ("L", "RGB")
    return np.asarray(image)


def test_gray_values_of_8_bit_stay_as_they_are(tmp_path):
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    found = pixels(saved(tmp_path, Image.fromarray(ramp)))
    assert (found == ramp).all()


@pytest.mark.parametrize("name", ["image.png", "image.tif"])
def test_a_12_bit_ramp_in_16_bit_keeps_256_levels(tmp_path, name):
    ramp = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    found = pixels(saved(tmp_path, Image.fromarray(ramp), name), MINMAX)
    assert len(np.unique(found)) == 256
    assert (np.diff(found.ravel().astype(int)) >= 0).all()
    # Linear from the smallest to the largest value: 2048 of 4095 is 127.53.
    assert (found[0, 0], found[32, 0], found[63, 63]) == (0, 128, 255)


def test_each_policy_sets_its_own_limits(tmp_path):
    """Hand-worked on the values 0 to 4095 in 16 bit: what value 1024 becomes under each."""
    path = saved(tmp_path, Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64)))
    policies = [
        ({"policy": "minmax"}, 1024 / 4095),
        ({"policy": "dtype"}, 1024 / 65535),
        ({"policy": "percentile"}, (1024 - 409.5) / (0.8 * 4095)),
        ({"policy": "window"}, (1024 - 409.5) / (0.8 * 4095)),
        ({"policy": "window", "window": [1024, 100]}, 0.5),
        ({"policy": "window", "window": [1000, 96]}, (1024 - 952) / 96),
    ]
    for policy, share in policies:
        found = pixels(path, {"low": 10, "high": 90, **policy})[16, 0]
        assert found == round(255 * share), policy


def test_one_hot_pixel_does_not_darken_the_image(tmp_path):
    values = np.tile(np.arange(1000, dtype=np.uint16), (40, 1))
    values[0, 0] = 65535
    found = pixels(saved(tmp_path, Image.fromarray(values)))
    assert len(np.unique(found)) > 250


def test_8_bit_is_never_stretched(tmp_path):
    path = saved(
        tmp_path, Image.fromarray(np.full((8, 8), 100, dtype=np.uint8) + np.eye(8, dtype=np.uint8))
    )
    for policy in ("window", "percentile", "minmax", "dtype"):
        assert sorted(np.unique(pixels(path, MINMAX | {"policy": policy}))) == [100, 101]


def test_floating_point_has_no_range_of_its_own(tmp_path):
    path = saved(tmp_path, Image.fromarray(np.ones((2, 2), dtype=np.float32)), "image.tif")
    with pytest.raises(raster.UnreadableImage, match="choose another `intensity: policy`"):
        reader.read(path, MINMAX | {"policy": "dtype"})


def test_white_is_zero_in_a_16_bit_tiff(tmp_path):
    ramp = np.arange(256, dtype=np.uint16).reshape(16, 16)
    path = saved(tmp_path, Image.fromarray(ramp), "image.tif", tiffinfo={262: 0})
    assert (
        pixels(path, MINMAX)
        == 255 - pixels(saved(tmp_path, Image.fromarray(ramp), "b.tif"), MINMAX)
    ).all()


def test_color_of_16_bit_is_refused_and_not_cut(tmp_path):
    header = (2).to_bytes(4) * 2 + bytes([16, 2, 0, 0, 0])
    rows = b"".join(b"\0" + bytes(12) for _ in range(2))
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    content = b"".join(
        len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)
        for kind, data in chunks
    )
    (tmp_path / "image.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    with pytest.raises(raster.UnreadableImage, match="color of 16 bit per channel"):
        reader.read(tmp_path / "image.png")


def test_values_of_32_bit_float_are_scaled_and_negative_ones_too(tmp_path):
    values = np.array([[-1000.0, 0.0], [-500.0, 1000.0]], dtype=np.float32)
    found = pixels(saved(tmp_path, Image.fromarray(values), "image.tif"), MINMAX)
    assert found.tolist() == [[0, 128], [64, 255]]


def test_a_16_bit_image_of_one_value_is_black(tmp_path):
    assert not pixels(saved(tmp_path, Image.fromarray(np.full((4, 4), 700, dtype=np.uint16)))).any()


def test_pixels_that_are_not_finite_are_refused(tmp_path):
    path = saved(tmp_path, Image.fromarray(np.array([[0, np.nan]], dtype=np.float32)), "image.tif")
    with pytest.raises(raster.UnreadableImage, match="not finite"):
        reader.read(path)


def test_one_bit_palette_and_cmyk(tmp_path):
    one_bit = Image.fromarray(np.array([[0, 255], [255, 0]], dtype=np.uint8)).convert("1")
    assert pixels(saved(tmp_path, one_bit)).tolist() == [[0, 255], [255, 0]]
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 200, 100, 0])
    palette.putpixel((1, 0), 1)
    assert pixels(saved(tmp_path, palette)).tolist() == [[[10, 20, 30], [200, 100, 0]]]
    assert pixels(
        saved(tmp_path, Image.new("CMYK", (1, 1), (0, 255, 255, 0)), "image.tif")
    ).tolist() == [[[255, 0, 0]]]


def test_transparency_is_put_on_black(tmp_path):
    image = Image.new("RGBA", (3, 1), (200, 100, 50, 255))
    image.putpixel((1, 0), (200, 100, 50, 0))
    image.putpixel((2, 0), (200, 100, 50, 128))
    assert pixels(saved(tmp_path, image))[0, :2].tolist() == [[200, 100, 50], [0, 0, 0]]
    assert pixels(saved(tmp_path, image))[0, 2].tolist() == pytest.approx([100, 50, 25], abs=1)
    gray = Image.new("LA", (1, 1), (90, 0))
    assert pixels(saved(tmp_path, gray)).tolist() == [[[0, 0, 0]]]


def test_an_image_that_lies_on_its_side_is_turned_upright(tmp_path):
    image = Image.new("RGB", (4, 2), "black")
    image.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to the right
    found = pixels(saved(tmp_path, image, "image.png", exif=exif))
    assert found.shape == (4, 2, 3)
    assert found[0, 1].tolist() == [255, 255, 255]


def test_the_first_of_several_frames_is_taken(tmp_path):
    frames = [Image.new("L", (2, 2), value) for value in (10, 250)]
    path = saved(tmp_path, frames[0], "image.tif", save_all=True, append_images=frames[1:])
    assert (pixels(path) == 10).all()
    assert (pixels(f"{path}#frame=1") == 250).all()
    assert reader.parts(path) == {"frame": 2}
    with pytest.raises(raster.UnreadableImage, match="no frame 2: the last is #frame=1"):
        reader.read(f"{path}#frame=2")
    with pytest.raises(raster.UnreadableImage, match="it has frames, not planes"):
        reader.read(f"{path}#axial=0")


def test_a_number_sign_in_a_file_name_is_part_of_it(tmp_path):
    assert (pixels(saved(tmp_path, Image.new("L", (2, 2), 7), "scan#2.png")) == 7).all()
    assert (pixels(f"{tmp_path / 'scan#2.png'}#frame=0") == 7).all()


def large_png_header(path):
    """A PNG of a few bytes that claims 100,000 x 100,000 pixels."""

    def chunk(kind, data):
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    header = (100_000).to_bytes(4) * 2 + bytes([8, 0, 0, 0, 0])
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def truncated(path):
    random = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    Image.fromarray(random).save(path)
    path.write_bytes(path.read_bytes()[:2000])


def truncated_jpeg(path):
    random = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    Image.fromarray(random).save(path, format="JPEG")
    path.write_bytes(path.read_bytes()[:1500])


@pytest.mark.parametrize(
    ("make", "name", "reason"),
    [
        (lambda path: None, "a.png", "missing"),
        (lambda path: path.write_bytes(b""), "a.png", "zero bytes"),
        (lambda path: path.write_text("<html>404</html>"), "a.png", "not an image"),
        (lambda path: path.write_text("DICM"), "a.dcm", "not a DICOM file"),
        (lambda path: path.mkdir(), "a.png", "not a file"),
        (truncated, "a.png", "truncated"),
        (truncated_jpeg, "a.jpg", "truncated"),
        (large_png_header, "a.png", "too large: 100000 x 100000 pixels"),
    ],
    ids=[
        "missing",
        "empty",
        "web page",
        "DICOM",
        "folder",
        "half a PNG",
        "half a JPEG",
        "decompression bomb",
    ],
)
def test_what_cannot_be_used_has_a_reason(tmp_path, make, name, reason):
    make(tmp_path / name)
    with pytest.raises(raster.UnreadableImage, match=reason):
        reader.read(tmp_path / name)


def test_no_damage_to_a_file_gets_past_the_reasons(tmp_path):
    """Files with bytes overwritten at random: an image comes out, or a reason, and nothing else."""
    random = np.random.default_rng(1)
    noise = Image.fromarray(random.integers(0, 255, (40, 40, 3), dtype=np.uint8))
    refused = 0
    for name in ("a.png", "a.jpg", "a.tif", "a.gif", "a.webp", "a.bmp"):
        whole = bytearray(saved(tmp_path, noise, name).read_bytes())
        for _ in range(60):
            broken = whole.copy()
            for place in random.integers(0, len(broken), 8):
                broken[place] = random.integers(0, 256)
            (tmp_path / name).write_bytes(broken)
            try:
                assert reader.read(tmp_path / name).mode in ("L", "RGB")
            except raster.UnreadableImage as error:
                assert str(error)
                refused += 1
    assert refused > 60


def test_paths_stay_below_the_image_root():
    assert reader.resolve("/data", "p1/a b.png").as_posix() == "/data/p1/a b.png"
    for path in ("../a.png", "p1/../../a.png", "/etc/passwd"):
        with pytest.raises(InputError, match=f"'{path}' leaves the image root /data"):
            reader.resolve("/data", path)


def test_thumbnails_keep_their_shape(tmp_path):
    path = saved(tmp_path, Image.new("L", (400, 200), 80))
    found = reader.thumbnail(path, 96)
    assert (found.size, found.mode) == ((96, 48), "L")
    assert reader.thumbnail(saved(tmp_path, Image.new("L", (40, 20), 80)), 96).size == (40, 20)
