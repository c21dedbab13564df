"""Photographs are of any size, shape and mode: what is drawn is what models see, like is compared with like."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from torchvision.transforms import Compose

from cliphba.clip import images
from cliphba.evaluate import complexity
from cliphba.figures import external, saliency, strips
from cliphba.pictures import as_png, open_picture, reduce_to, shortest_side
from tests.conftest import real_data
from tests.test_figures import ceiling, curves  # noqa: F401  (fixtures)

#: Ending, mode, and size (width, height) of a picture file.
FILES = [
    ("jpg", "RGB", (60, 40)),
    ("webp", "RGB", (40, 60)),
    ("png", "L", (50, 50)),
    ("png", "RGBA", (64, 32)),
    ("gif", "P", (33, 47)),
    ("png", "1", (40, 41)),
    ("tif", "CMYK", (40, 30)),
]


@pytest.fixture(params=FILES, ids=lambda file: f"{file[1]} {file[0]}")
def photograph(request, tmp_path):
    ending, mode, size = request.param
    random = np.random.default_rng(0)
    path = tmp_path / f"photograph.{ending}"
    # large blocks, which compression leaves as they are
    colours = random.integers(0, 256, size=(4, 6, 3), dtype=np.uint8)
    Image.fromarray(colours).resize(size, Image.Resampling.NEAREST).convert(mode).save(path)
    return path


def decode(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(float)


@pytest.mark.parametrize("preparation", ["backbone", "published"])
def test_saliency_is_drawn_on_what_the_model_sees(photograph, backbone, preparation):
    prepared = images.prepare_images(backbone, preparation)
    seen = decode(images.as_png(prepared, prepared.read_images([photograph])[0]))
    *steps, _ = prepared.transform.transforms
    expected = 255 * Compose(steps)(open_picture(photograph)).numpy().transpose(1, 2, 0)
    assert seen.shape == (32, 32, 3)
    np.testing.assert_allclose(seen, expected, atol=1)


def test_pictures_to_be_looked_at_keep_their_shape_and_colours(photograph):
    shown, original = decode(as_png(photograph)), np.asarray(open_picture(photograph))
    np.testing.assert_array_equal(shown, original)


def test_large_pictures_to_be_looked_at_are_made_smaller(tmp_path):
    Image.new("RGB", (1000, 500), (200, 100, 50)).save(tmp_path / "large.png")
    shown = decode(as_png(tmp_path / "large.png"))
    assert shown.shape == (128, 256, 3)
    assert shown[64, 128].tolist() == [200, 100, 50]


def test_small_png_files_are_taken_as_they_are(tmp_path):
    path = tmp_path / "small.png"
    Image.new("RGB", (96, 96), (1, 2, 3)).save(path)
    assert as_png(path) == path.read_bytes()


def test_pictures_of_a_camera_held_upright_stand_upright(tmp_path: Path) -> None:
    lying = Image.new("RGB", (40, 20), "blue")
    lying.paste("red", (0, 0, 8, 20))
    exif = Image.Exif()
    # turned a quarter clockwise to be looked at, so that the left edge is above
    exif[0x0112] = 6
    lying.save(tmp_path / "upright.png", exif=exif)
    found = np.asarray(open_picture(tmp_path / "upright.png"))
    assert found.shape == (40, 20, 3)
    assert (found[:8] == (255, 0, 0)).all()
    assert (found[8:] == (0, 0, 255)).all()


def test_greys_of_sixteen_bits_are_no_white(tmp_path):
    deep = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    found = np.asarray(open_picture(tmp_path / "deep.png"))
    np.testing.assert_array_equal(found[..., 0], np.arange(256).reshape(16, 16))
    assert (found == found[..., :1]).all()


def test_what_is_no_image_is_named(tmp_path):
    (tmp_path / "text.png").write_text("no image")
    for path, told in ((tmp_path / "text.png", "not an image that Pillow"), (tmp_path / "none.png", "no such image")):
        for read in (open_picture, as_png, lambda path: shortest_side([path])):
            with pytest.raises(ValueError, match=f"{path.name}: .*{told}"):
                read(path)


def test_the_same_picture_is_as_complex_in_any_resolution(tmp_path):
    """Measured as they are, the larger one would have fewer edges and fewer bytes a pixel."""
    random = np.random.default_rng(1)
    small = Image.fromarray(random.integers(0, 256, size=(12, 18, 3), dtype=np.uint8)).resize((180, 120))
    large = small.resize((720, 480))
    paths = [tmp_path / "small.png", tmp_path / "large.png"]
    for image, path in zip((small, large), paths, strict=True):
        image.save(path)
    side = shortest_side(paths)
    assert side == 120
    alike = complexity.describe(
        [np.asarray(reduce_to(open_picture(path), side)) for path in paths], ["small", "large"]
    )
    unlike = complexity.describe([np.asarray(open_picture(path)) for path in paths], ["small", "large"])
    for name in ("compressed size", "edge density"):
        assert alike.loc["large", name] == pytest.approx(alike.loc["small", name], rel=0.15)
        assert unlike.loc["large", name] < 0.6 * unlike.loc["small", name]
    picture = open_picture(paths[0])
    assert reduce_to(picture, side) is picture


@pytest.mark.filterwarnings("error")
def test_complexity_of_any_picture_is_a_number(photograph):
    found = complexity.describe([np.asarray(open_picture(photograph))], ["photograph"])
    assert np.isfinite(found).all(axis=None)


def test_real_photographs_have_a_complexity_and_can_be_looked_at():
    paths = sorted(real_data("images").iterdir())[:4]
    side = shortest_side(paths)
    found = complexity.describe([np.asarray(reduce_to(open_picture(path), side)) for path in paths], map(str, paths))
    assert np.isfinite(found).all(axis=None)
    assert (found.std() > 0).all()
    for path in paths:
        np.testing.assert_allclose(decode(as_png(path)), np.asarray(open_picture(path)), atol=1)


def as_table(paths: list[Path]) -> pd.DataFrame:
    return pd.DataFrame({"stimulus": [path.stem for path in paths], "png": [as_png(path) for path in paths]})


def test_external_pictures_of_any_shape_stand_side_by_side_undistorted(tmp_path, curves, ceiling):  # noqa: F811
    paths = [tmp_path / "wide.webp", tmp_path / "high.png"]
    Image.new("RGB", (60, 30)).save(paths[0])
    Image.new("L", (20, 40)).save(paths[1])
    figure = external.draw({"photographs": curves}, {"photographs": ceiling}, {"photographs": as_table(paths)})
    extents = [image.get_extent() for image in figure.axes[0].images]
    assert [right - left for left, right, _, _ in extents] == pytest.approx([2, 0.5])
    assert extents[1][0] > extents[0][1]
    assert figure.axes[0].get_aspect() == 1


def test_maps_are_laid_over_pictures_of_any_shape(tmp_path):
    path = tmp_path / "wide.png"
    Image.new("RGB", (60, 30), (100, 100, 100)).save(path)
    flat = np.zeros(16, np.float32)
    flat[3] = 1
    maps = pd.DataFrame({"model": "group", "stimulus": "wide", "time_ms": [20.0, 40.0], "saliency": [flat, flat]})
    figure = saliency.draw(maps, as_table([path]))
    laid = figure.axes[1].images[0].get_array()
    assert laid.shape == (30, 60, 3)
    coloured = np.ptp(laid, axis=-1) > 0.05
    # the place at the upper right
    assert coloured[:6, 50:].all()
    assert not coloured[12:].any()
    assert not coloured[:, :36].any()
    assert strips.decode(as_table([path]))["wide"].shape == (30, 60, 3)
