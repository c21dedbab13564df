"""The gallery: the page in the documentation is that of the catalogue, with a picture of every figure."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from cliphba.figures import gallery
from cliphba.figures.catalogue import CATALOGUE, Entry
from tests.conftest import ROOT

IMAGES = ROOT / "docs/images"
PICTURES = [f"{name}.{'gif' if entry.moving else 'png'}" for name, entry in CATALOGUE.items()]
ENTRIES = {
    name: Entry(
        section=section, title=name.capitalize(), caption="Seen.", reading="To be\nread.", tables={}, moving=moving
    )
    for name, section, moving in [("last", "Controls", False), ("first", "Group", False), ("second", "Group", True)]
}


def png(pixels):
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, format="png")
    return sink.getvalue()


def test_a_page_has_the_figures_of_each_section_in_their_order():
    _, *parts = re.split(r"\n(?=##)", gallery.page(ENTRIES))
    figure = "### {0}\n\n![{0}](images/{1})\n\nTo be read.\n"
    assert "\n".join(parts) == "\n".join(
        [
            "## Group\n\n" + figure.format("First", "first.png"),
            figure.format("Second", "second.gif"),
            "## Controls\n\n" + figure.format("Last", "last.png"),
        ]
    )


def test_the_page_in_the_documentation_is_that_of_the_catalogue():
    told = "docs/gallery.md is not that of the catalogue: run `make gallery`"
    assert (ROOT / "docs/gallery.md").read_text() == gallery.page(CATALOGUE), told


def test_every_picture_is_there_and_all_of_them_are_small():
    sizes = {name: (IMAGES / name).stat().st_size for name in PICTURES}
    assert sum(sizes.values()) < 4e6


def shades(steps):
    """A picture with as many shades in each of two colours, and its pixels."""
    pixels = np.full((400, 400, 3), 90, dtype=np.uint8)
    pixels[..., :2] = np.random.default_rng(0).integers(steps, size=(400, 400, 2)) * (256 // steps)
    return png(pixels), pixels.astype(int)


def test_drawings_are_much_smaller_and_look_the_same():
    picture, pixels = shades(32)
    shrunk = gallery.shrink(picture)
    assert len(shrunk) < 0.7 * len(picture)
    shown = np.asarray(Image.open(io.BytesIO(shrunk)).convert("RGB")).astype(int)
    assert np.abs(shown - pixels).mean() < 8


def test_photographs_keep_their_colours():
    picture, pixels = shades(128)
    shown = np.asarray(Image.open(io.BytesIO(gallery.shrink(picture))).convert("RGB"))
    np.testing.assert_array_equal(shown, pixels)


def test_a_picture_that_is_small_already_stays_as_it_is():
    picture = png(np.zeros((1, 1, 3), dtype=np.uint8))
    assert gallery.shrink(picture) == picture


def test_the_command_writes_the_page_and_its_pictures(tmp_path):
    (tmp_path / "figures").mkdir()
    for name in PICTURES:
        (tmp_path / "figures" / name).write_bytes(png(np.zeros((2, 2, 3), dtype=np.uint8)))
    gallery.main([str(tmp_path / "figures"), str(tmp_path / "docs")])
    assert (tmp_path / "docs/gallery.md").read_text() == gallery.page(CATALOGUE)
    assert {path.name for path in (tmp_path / "docs/images").iterdir()} == set(PICTURES)


def test_without_every_figure_nothing_is_written(tmp_path, capsys):
    with pytest.raises(SystemExit):
        gallery.main([str(tmp_path), str(tmp_path / "docs")])
    assert f"{tmp_path} lacks {', '.join(PICTURES)}: `make gallery` makes" in capsys.readouterr().err
    assert not (tmp_path / "docs").exists()
