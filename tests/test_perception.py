"""A finished model on image files: the same for an image alone or among others, finite on real photographs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from cliphba import rdm, tables
from cliphba.models import perception
from cliphba.models.heads import DynamicHead, TemporalCurves
from cliphba.models.perception import PerceptionModel
from tests.conftest import real_data
from tests.small_clip import LAYERS, PROMPTS, SHARED, pictures, text_features_among_images

TIMES = torch.tensor([20.0, 40.0, 60.0])


@pytest.fixture(scope="module")
def models(backbone):
    text_features = text_features_among_images(backbone, len(PROMPTS))
    curve = torch.tensor([0.3, 1.0, 0.6])
    logits = torch.randn(3, LAYERS, generator=torch.Generator().manual_seed(0))
    head = DynamicHead(TemporalCurves(TIMES, curve, curve, curve), logits, window_ms=20)
    return {
        "clip": PerceptionModel(backbone),
        "behavior": PerceptionModel(backbone, PROMPTS, text_features),
        "dynamic": PerceptionModel(backbone, PROMPTS, text_features, head),
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for index, picture in enumerate(pictures(7)):
        pixels = (64 * picture + 128).clamp(0, 255).byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(folder / f"object-{index}.png")
    return sorted(folder.iterdir())


kinds = pytest.mark.parametrize("kind", ["clip", "behavior", "dynamic"])


def test_shapes_times_and_names(models, files):
    shapes = {kind: model.embed(files).values.shape for kind, model in models.items()}
    assert shapes == {"clip": (1, 7, SHARED), "behavior": (1, 7, 6), "dynamic": (3, 7, 6)}
    assert np.isnan(models["behavior"].times_ms).all()
    embedding = models["dynamic"].embed(files)
    assert embedding.times_ms.tolist() == [20, 40, 60]
    assert embedding.stimuli == tuple(f"object-{index}" for index in range(7))
    assert embedding.metadata["dimensions"] == list(PROMPTS)


def test_embeddings_by_their_equations(backbone, models, files):
    images = backbone.read_images(files)
    image, text = backbone.image_features(images).numpy(), models["behavior"].text_features.numpy()
    scale = np.exp(float(backbone.clip.logit_scale))
    np.testing.assert_allclose(models["clip"].embed(files).values[0], image, atol=1e-6)
    np.testing.assert_allclose(models["behavior"].embed(files).values[0], scale * image @ text.T, atol=1e-4)
    head = models["dynamic"].head
    mixed = np.einsum("tj,jxc,dc->txd", head.weights().detach(), backbone.block_features(images), text) * scale
    curve = np.array([0.65, 1.9 / 3, 0.8])[:, None, None]  # means of 0.3, 1.0, 0.6 over the window
    np.testing.assert_allclose(models["dynamic"].embed(files).values, np.maximum(0, curve**2 * mixed), atol=1e-4)


@kinds
def test_embedding_is_the_same_every_time(models, files, kind):
    first, second = (models[kind].embed(files).values for _ in range(2))
    np.testing.assert_array_equal(first, second)


@kinds
@pytest.mark.parametrize("batch", [1, 3])
def test_embedding_does_not_depend_on_the_batch_size(models, files, kind, batch, monkeypatch):
    together = models[kind].embed(files).values
    monkeypatch.setattr(perception, "BATCH", batch)
    np.testing.assert_allclose(models[kind].embed(files).values, together, atol=1e-4 * np.abs(together).max())


@kinds
def test_one_image_alone_is_embedded_as_among_others(models, files, kind):
    together = models[kind].embed(files).values[:, [2]]
    alone = models[kind].embed([files[2]]).values
    assert np.isfinite(alone).all()
    np.testing.assert_allclose(alone, together, atol=1e-4 * np.abs(together).max())


@kinds
def test_decoded_images_give_what_files_give(backbone, models, files, kind):
    decoded = models[kind].embed_decoded(backbone.read_images(files), [file.stem for file in files])
    assert decoded.stimuli == models[kind].embed(files).stimuli
    np.testing.assert_allclose(decoded.values, models[kind].embed(files).values, atol=1e-6)


@pytest.mark.parametrize("noise", [None, (0.3, 5)])
def test_chosen_times_are_those_of_the_whole(models, files, noise):
    """With the noise of the published protocol, too, which is drawn for all times at once."""
    model = replace(models["dynamic"], evaluation_noise=noise)
    whole, chosen = model.embed(files), model.embed(files, times_ms=[60, 20])
    assert chosen.times_ms.tolist() == [60, 20]
    np.testing.assert_allclose(chosen.values, whole.values[[2, 0]], rtol=1e-5, atol=1e-6)
    expected = whole.rdms(whole.stimuli).values[[1]]
    np.testing.assert_allclose(model.rdms(files, times_ms=[40]).values, expected, atol=1e-5)


def test_times_that_a_model_has_not_are_refused(models, files):
    with pytest.raises(ValueError, match=r"no time 30 ms; the nearest of its 3 times from 20 to 60 ms is 20"):
        models["dynamic"].embed(files, times_ms=[20, 30])
    for kind in ("clip", "behavior"):
        with pytest.raises(ValueError, match="has no time course"):
            models[kind].embed(files, times_ms=[20])


def test_a_stream_lays_out_a_few_times_at_once(models, files, monkeypatch):
    """Memory grows with what is kept of each image, not with its embedding at all times."""
    whole, sizes = models["dynamic"].embed(files).values, []
    forward = DynamicHead.forward

    def watched(head, *given, **named):
        found = forward(head, *given, **named)
        sizes.append(found.numel())
        return found

    monkeypatch.setattr(perception, "NUMBERS", 2 * 7 * len(PROMPTS))
    monkeypatch.setattr(DynamicHead, "forward", watched)
    stream = models["dynamic"].stream(files)
    assert not sizes
    rows = [stream.row(index) for index in range(3)]
    assert sizes == [2 * 7 * len(PROMPTS), 7 * len(PROMPTS)]
    np.testing.assert_allclose(rows, whole, rtol=1e-5, atol=1e-6)


def test_class_tokens_are_the_towers_whatever_the_batch(backbone, models, files, monkeypatch):
    images = backbone.read_images(files)
    monkeypatch.setattr(perception, "BATCH", 2)
    found = models["clip"].class_tokens(images, [str(index) for index in range(len(files))])
    with torch.no_grad():
        expected = backbone.class_tokens(images)
    np.testing.assert_allclose(found.values, expected, atol=1e-5)
    assert found.values.shape[0] == LAYERS


def test_rdms_are_those_of_the_embedding_and_can_be_stored(models, files, tmp_path):
    made = models["dynamic"].rdms(files)
    expected = [1 - rdm.to_triangle(np.corrcoef(time)) for time in models["dynamic"].embed(files).values]
    np.testing.assert_allclose(made.values, expected, atol=1e-5)
    tables.write_rdms(made, tmp_path / "rdm.parquet")
    assert tables.read_rdms(tmp_path / "rdm.parquet").stimuli == made.stimuli


def test_images_of_one_name_are_refused_unless_told_apart(models, files):
    with pytest.raises(ValueError, match="identifier of its own"):
        models["clip"].embed([files[0], files[0]])
    assert models["clip"].embed([files[0], files[0]], ["left", "right"]).stimuli == ("left", "right")


def test_too_few_identifiers_or_no_images_are_refused(models, files):
    with pytest.raises(ValueError, match="identifier of its own"):
        models["clip"].embed(files, ["only one"])
    with pytest.raises(ValueError, match="at least one"):
        models["clip"].embed([])


def test_real_photographs_are_embedded(models):
    photographs = sorted(real_data("images").glob("*.webp"))
    for model in models.values():
        embedding = model.embed(photographs)
        assert np.isfinite(embedding.values).all()
        assert np.isfinite(embedding.rdms(embedding.stimuli).values).all()
        assert embedding.values.std(axis=1).max() > 0
