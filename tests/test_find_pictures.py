"""Picture files are found where they are said to be, and what is wrong with them is told by name."""

import pytest
from PIL import Image

from cliphba.pictures import find_pictures
from tests.conftest import real_data


@pytest.fixture
def folder(tmp_path):
    """A folder of pictures with subfolders, and of what is none."""
    for name in ("b.png", "sub/a.JPG", "sub/deep/c.webp", ".hidden.png", ".cache/d.png"):
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(path)
    (tmp_path / "pictures/notes.txt").write_text("notes")
    return tmp_path / "pictures"


def test_files_and_folders_in_the_order_given(folder, tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "z.png")
    found = find_pictures([tmp_path / "z.png", folder])
    assert list(found) == ["z", "b", "a", "c"]
    assert [path.name for path in found.values()] == ["z.png", "b.png", "a.JPG", "c.webp"]


def test_a_named_file_may_end_as_it_likes(folder):
    (folder / "b.png").rename(folder / "b.picture")
    assert list(find_pictures([folder / "b.picture"])) == ["b"]


def test_the_same_name_twice_tells_both_files(folder):
    Image.new("RGB", (4, 4)).save(folder / "sub/b.webp")
    with pytest.raises(ValueError, match=r"pictures/b.png and .*sub/b.webp have the same name"):
        find_pictures([folder])


def test_all_that_cannot_be_read_is_told_before_any_work(folder):
    for number in range(7):
        (folder / f"broken-{number}.png").write_text("no image")
    with pytest.raises(ValueError, match=r"broken-0.png, .*broken-4.png and 2 more: no image that Pillow can read"):
        find_pictures([folder])


@pytest.mark.parametrize("place", ["lost.png", "lost"])
def test_what_is_missing_is_told(folder, place):
    with pytest.raises(ValueError, match=f"{place}: there is no such image and no such folder"):
        find_pictures([folder / "b.png", folder / place])


def test_a_folder_without_pictures_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"there is no image in this folder \(sought are .bmp, .gif"):
        find_pictures([tmp_path])


def test_real_photographs_are_found():
    photographs = real_data("images")
    assert len(find_pictures([photographs])) == len(list(photographs.glob("*.webp")))
