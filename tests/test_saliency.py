"""Saliency: by hand, by loops, where there is nothing to be found and where it is known what must be."""

import io

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

from cliphba import tables
from cliphba.clip.images import as_png, prepare_images
from cliphba.evaluate import saliency
from cliphba.evaluate.saliency import Masks, draw_masks, map_saliency
from cliphba.models.heads import DynamicHead, TemporalCurves
from cliphba.models.perception import PerceptionModel
from tests.small_clip import LAYERS, PROMPTS, SIZE, pictures, text_features_among_images

SIDE = 24


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).normal(size=(3, SIDE, SIDE)).astype(np.float32)


@pytest.fixture(scope="module")
def masks():
    return draw_masks(60, cells=4, seed=1)


def embed_at_three_times(images):
    """Rectified random projections of the pixels, others at each time."""
    projection = np.random.default_rng(3).normal(size=(3, images[0].size, 40))
    return np.maximum(0, images.reshape(len(images), -1) @ projection)


def two_masks_of_the_top_left_cell():
    top_left = [[True, False], [False, False]]
    return Masks(np.array([top_left, top_left]), np.array([[0.0, 0.0], [1.0, 1.0]]))


def test_masks_by_hand():
    """Of 2 x 2 cells over 3 x 3, without shift pixels lie at 0 (before the middle of the first cell) and 1/2."""
    hidden = two_masks_of_the_top_left_cell().hidden(2)
    np.testing.assert_allclose(hidden, [[[1, 0.5], [0.5, 0.25]], [[0.25, 0], [0, 0]]], atol=1e-7)


def test_map_by_hand():
    """An embedding (top left pixel, 1) of a white picture turns by the angle between (1, 1) and what is left."""
    found = map_saliency(
        lambda images: np.stack([images[None, :, 0, 0, 0], np.ones((1, len(images)))], axis=-1),
        np.ones((1, 2, 2), np.float32),
        two_masks_of_the_top_left_cell(),
    )
    whole, quarter = 1 - np.sqrt(0.5), 1 - 1.75 / np.sqrt(2 * (0.75**2 + 1))
    np.testing.assert_allclose(found, [[[(whole + 0.25 * quarter) / 1.25, whole], [whole, whole]]], atol=1e-7)


@pytest.mark.parametrize("shift", [(0, 0), (2, 5), (6, 6)])
def test_masks_are_those_of_torch_enlarged_and_cropped(shift):
    """RISE as published: a grid enlarged to one cell more than the picture, cropped by a whole number of pixels."""
    grid, (down, right) = np.random.default_rng(5).random((1, 4, 4)) < 0.5, shift
    enlarged = interpolate(torch.from_numpy(grid[None].astype(np.float32)), size=(30, 30), mode="bilinear")[0]
    found = Masks(grid, np.array([shift]) / 6).hidden(24)
    np.testing.assert_allclose(found, enlarged[:, down : down + 24, right : right + 24], atol=1e-6)


def test_half_of_all_cells_is_hidden_and_shifts_stay_within_a_cell():
    drawn = draw_masks(4000, cells=8, seed=0)
    assert drawn.hiding.mean() == pytest.approx(0.5, abs=0.005)
    np.testing.assert_allclose(drawn.hidden(16).mean(axis=0), 0.5, atol=0.04)
    assert drawn.shift.min() >= 0
    assert drawn.shift.max() < 1
    assert drawn.shift.mean() == pytest.approx(0.5, abs=0.02)


def test_equals_loops_over_masks_times_and_pixels(image, masks):
    hidden = masks.hidden(SIDE)
    expected = np.zeros((3, SIDE, SIDE))
    for time in range(3):
        full = embed_at_three_times(image[None])[time, 0]
        turned = []
        for mask in hidden:
            left = embed_at_three_times((image * (1 - mask))[None])[time, 0]
            turned.append(1 - full @ left / np.sqrt((full @ full) * (left @ left)))
        for row in range(SIDE):
            for column in range(SIDE):
                expected[time, row, column] = np.average(turned, weights=hidden[:, row, column])
    np.testing.assert_allclose(map_saliency(embed_at_three_times, image, masks), expected, rtol=1e-5)


def test_a_model_that_ignores_the_picture_has_nothing_salient(image, masks):
    found = map_saliency(lambda images: np.full((2, len(images), 5), 0.3), image, masks)
    np.testing.assert_array_equal(found, np.zeros((2, SIDE, SIDE)))


@pytest.mark.parametrize(("down", "right"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_the_quadrant_that_is_read_is_found(down, right):
    half = SIDE // 2
    read = slice(down * half, (down + 1) * half), slice(right * half, (right + 1) * half)

    def embed(images):
        seen = images[:, 0, *read].mean(axis=(1, 2))
        return np.stack([seen, np.ones_like(seen)], axis=-1)[None]

    found = map_saliency(embed, np.ones((3, SIDE, SIDE), np.float32), draw_masks(1000, cells=8, seed=0))[0]
    inside = np.zeros((SIDE, SIDE), bool)
    inside[read] = True
    # the outermost pixels of a quadrant share their cells with its neighbours
    assert np.median(found[inside]) > found[~inside].max()
    assert np.unravel_index(found.argmax(), found.shape) in np.argwhere(inside)


def test_zero_embeddings_are_defined():
    full = np.array([[[0.0, 0.0]], [[1.0, 0.0]], [[0.0, 0.0]], [[3.0, 4.0]]])
    masked = np.array([[[0.0, 0.0]], [[0.0, 0.0]], [[2.0, 0.0]], [[6.0, 8.0]]])
    with np.errstate(all="raise"):
        np.testing.assert_allclose(saliency.turn(full, masked)[:, 0], [0, 1, 1, 0], atol=1e-15)


def test_same_seed_same_map_and_another_seed_another(image, masks):
    first, again = (map_saliency(embed_at_three_times, image, draw_masks(60, cells=4, seed=1)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, map_saliency(embed_at_three_times, image, draw_masks(60, cells=4, seed=2)))


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_batches_do_not_matter_and_are_no_larger_than_allowed(image, masks, batch):
    sizes = []

    def embed(images):
        sizes.append(len(images))
        return embed_at_three_times(images)

    found = map_saliency(embed, image, masks, batch=batch)
    np.testing.assert_allclose(found, map_saliency(embed_at_three_times, image, masks), rtol=1e-6)
    assert max(sizes) <= batch
    assert sum(sizes) == len(masks) + 1


def test_large_pictures_are_mapped_in_blocks(image, masks):
    means = saliency.block_means(masks.hidden(224))
    assert means.shape == (60, 56, 56)
    np.testing.assert_allclose(means[7, 3, 10], masks.hidden(224)[7, 12:16, 40:44].mean(), rtol=1e-6)
    np.testing.assert_array_equal(saliency.block_means(masks.hidden(SIDE)), masks.hidden(SIDE))
    assert saliency.block_means(masks.hidden(384)).shape[1:] == (48, 48)


def test_a_part_that_no_mask_hides_is_refused(image):
    _, corner = two_masks_of_the_top_left_cell().parts(1)
    with pytest.raises(ValueError, match=r"none of 1 hides some part .* set saliency\.masks higher"):
        map_saliency(embed_at_three_times, image, corner)


def test_stimuli_are_chosen_evenly():
    assert saliency.choose("abcdefghij", 4) == ["a", "d", "g", "j"]
    assert saliency.choose("abc", 1) == ["a"]
    assert saliency.choose("abc", 3) == ["a", "b", "c"]


@pytest.fixture(scope="module")
def models(backbone):
    text_features = text_features_among_images(backbone, len(PROMPTS))
    curve = torch.tensor([0.3, 1.0, 0.6])
    logits = torch.randn(3, LAYERS, generator=torch.Generator().manual_seed(0))
    head = DynamicHead(TemporalCurves(torch.tensor([20.0, 40.0, 60.0]), curve, curve, curve), logits, window_ms=20)
    return {
        "clip": PerceptionModel(backbone),
        "behavior": PerceptionModel(backbone, PROMPTS, text_features),
        "group": PerceptionModel(backbone, PROMPTS, text_features, head),
        "published": PerceptionModel(backbone, PROMPTS, text_features, head, evaluation_noise=(1.0, 0)),
    }


@pytest.mark.parametrize("kind", ["clip", "behavior", "group"])
def test_models_respond_as_they_embed(models, kind):
    shown = pictures(3)
    expected = models[kind].embed_decoded(shown, ["a", "b", "c"]).values
    np.testing.assert_allclose(models[kind].respond(shown.numpy()), expected, atol=1e-4 * np.abs(expected).max())


def test_responses_have_no_noise(models):
    shown = pictures(3).numpy()
    np.testing.assert_array_equal(models["published"].respond(shown), models["group"].respond(shown))


@pytest.mark.parametrize("kind", ["clip", "behavior", "group"])
def test_maps_of_models_are_tables(models, masks, tmp_path, kind):
    shown = dict(zip("ab", pictures(2).numpy(), strict=True))
    model = models[kind]
    frame = saliency.describe(kind, model.times_ms, model.respond, shown, masks)
    tables.write(frame, tmp_path / "saliency.parquet", "saliency")
    found = tables.read(tmp_path / "saliency.parquet", "saliency")
    times = 3 if kind == "group" else 1
    assert list(found["stimulus"]) == ["a"] * times + ["b"] * times
    np.testing.assert_array_equal(found["time_ms"], np.tile(model.times_ms, 2))
    maps = np.stack(list(found["saliency"])).reshape(2, times, SIZE, SIZE)
    np.testing.assert_allclose(maps[1], map_saliency(model.respond, shown["b"], masks), rtol=1e-6)
    assert maps.std(axis=(2, 3)).min() > 0


@pytest.mark.parametrize("preparation", ["backbone", "published"])
def test_pictures_are_shown_as_models_see_them(backbone, tmp_path, preparation):
    drawn = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    Image.fromarray(drawn).save(tmp_path / "a.png")
    prepared = prepare_images(backbone, preparation)
    png = as_png(prepared, prepared.read_images([tmp_path / "a.png"])[0])
    np.testing.assert_allclose(np.asarray(Image.open(io.BytesIO(png)), int), drawn, atol=1)
    tables.write(pd.DataFrame({"stimulus": ["a"], "png": [png]}), tmp_path / "pictures.parquet", "pictures")
    assert tables.read(tmp_path / "pictures.parquet", "pictures").loc[0, "png"] == png
