"""What is trained and computed on a GPU is what the CPU gives; skipped where there is none."""

import numpy as np
import pytest
import torch

import cliphba
from cliphba.clip.adapters import AdapterPlan, add_adapters
from cliphba.clip.backbone import load_backbone
from cliphba.config import Adapter, BehaviorTraining, Compute, DynamicTraining, Protocol
from cliphba.models.checkpoint import Checkpoint, save_checkpoint
from cliphba.models.heads import DynamicHead, TemporalCurves, block_similarity
from cliphba.studies import DEMO_PUBLISHED as PUBLISHED
from cliphba.train.behavior import LabelledImages, fit_behavior
from cliphba.train.dynamic import DynamicModel, MeasuredImages, Setup, fit_adapters, fit_reweightings
from cliphba.train.losses import FEW_IMAGES, Objective
from cliphba.train.reweighting import optimise_reweighting
from tests.devices import needs_gpu
from tests.killing import killed_at
from tests.members import of_members
from tests.small_clip import LAYERS, PROMPTS, SHARED, pictures, shake, text_features_among_images

pytestmark = needs_gpu
GPU = "cuda"
TIMES, DIMENSIONS = 6, 12
SETTINGS = DynamicTraining(
    adapter=Adapter(rank=4, magnitude=False),
    reweighting_learning_rate=0.1,
    adapter_learning_rate=1e-3,
    batch_size=16,
    stage_1_epochs=5,
    stage_2_epochs=3,
)
BEHAVIOR = BehaviorTraining(adapter=Adapter(rank=4), vision_blocks=2, learning_rate=1e-3, batch_size=16, epochs=4)
# noise is drawn on the device: with it, no two kinds of device train alike
QUIET = Protocol(noise_scale=0)


@pytest.fixture(scope="module")
def backbones(backbone, backbone_folder):
    return {"cpu": backbone, GPU: load_backbone(backbone_folder, GPU)}


@pytest.fixture(scope="module")
def text_features(backbone):
    return text_features_among_images(backbone, DIMENSIONS)


def head_on(device):
    ramp = torch.linspace(0.2, 1, TIMES)
    curves = TemporalCurves(20 * torch.arange(1, TIMES + 1).float(), ramp, ramp.flip(0), 1 - ramp)
    logits = torch.randn(TIMES, LAYERS, generator=torch.Generator().manual_seed(1))
    return DynamicHead(curves, logits, window_ms=20).to(device)


def measured_on(device, count, seed):
    rdms = torch.rand(TIMES, count * (count - 1) // 2, generator=torch.Generator().manual_seed(seed))
    return MeasuredImages(pictures(count, seed=seed).to(device), rdms.to(device))


def assert_near(found, expected, relative):
    """Compare tensors of any device by the length of their difference."""
    found, expected = found.detach().cpu().double(), expected.detach().cpu().double()
    assert (found - expected).norm() <= relative * expected.norm()


def step_on(device, backbones, text_features, images, method):
    """Losses of a batch, and their gradients by adapters and reweighting."""
    plan = AdapterPlan.of(Adapter(method=method, rank=4, magnitude=False), vision=tuple(range(LAYERS)))
    adapted = add_adapters(backbones["cpu"].copy().clip, plan, seed=0)
    shake(adapted, seed=1)
    backbone = backbones[device].with_clip(adapted.clip.to(device))
    head, measured = head_on(device), measured_on(device, images, seed=3)
    model = DynamicModel(backbone, text_features.to(device), head)
    losses = model.losses(model.similarity(measured.images), measured.target)
    trained = [head.reweighting, *adapted.trainable()]
    return losses, torch.cat([part.flatten() for part in torch.autograd.grad(losses.sum(), trained)])


# more images than that never make an RDM
@pytest.mark.parametrize("images", [10, FEW_IMAGES * DIMENSIONS + 4])
@pytest.mark.parametrize("method", ["dora", "lora", "published_dora"])
def test_losses_and_gradients_of_a_step(backbones, text_features, images, method):
    found, expected = (step_on(device, backbones, text_features, images, method) for device in (GPU, "cpu"))
    assert_near(found[0], expected[0], 1e-5)
    assert_near(found[1], expected[1], 1e-4)


def train_on(device, backbones, text_features, *, protocol=QUIET, compute=None, kept=None, **changes):
    """Both stages: their logs, and the finished model."""
    parts = [measured_on(device, count, seed) for seed, count in enumerate((40, 16))]
    settings, compute = SETTINGS.model_copy(update=changes), compute or Compute()
    features, backbone = text_features.to(device), backbones[device]
    setup = Setup(backbone, features, *parts, settings, protocol, 0, compute, kept)
    members = of_members(setup, [part.rdms[None] for part in parts])
    (first,) = fit_reweightings(members, {"one": head_on(device)})
    objective = Objective.relative_to(first.before.to(device), settings.loss)
    second = fit_adapters(setup, "one", first.dynamic.head().to(device), objective)
    checkpoint = Checkpoint(
        kind="dynamic",
        dimensions=PROMPTS,
        prompts=PROMPTS,
        adapters=[second.adapter],
        backbone="backbone",
        backbone_sha256=backbone.weights_sha256,
        dynamic=second.dynamic,
    )
    return [losses.total for log in (first.log, second.log) for losses in log], checkpoint


@torch.no_grad()
def similarity_of(checkpoint, backbones, text_features):
    """Table S of new images by a finished model, on the CPU."""
    model = checkpoint.onto(backbones["cpu"])
    return block_similarity(model.block_features(pictures(12, seed=7)), text_features, model.scale)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compute": Compute(gradient_checkpointing=True)},
        {"adapter": Adapter(method="lora", rank=4, magnitude=False)},
        {
            "protocol": PUBLISHED.protocol.model_copy(update={"noise_scale": 0}),
            "adapter": Adapter(method="published_dora", rank=4, magnitude=False),
        },
    ],
    ids=["corrected", "checkpointing", "lora", "published"],
)
def test_both_stages_of_training_to_meg(backbones, text_features, options):
    (found, on_gpu), (expected, on_cpu) = (
        train_on(device, backbones, text_features, **options) for device in (GPU, "cpu")
    )
    assert min(expected) < expected[0]
    assert found == pytest.approx(expected, rel=1e-3)
    assert_near(on_gpu.dynamic.reweighting, on_cpu.dynamic.reweighting, 1e-2)
    trained, same = (similarity_of(each, backbones, text_features) for each in (on_gpu, on_cpu))
    assert_near(trained, same, 1e-3)


def test_bfloat16_trains_nearly_the_same_model(backbones, text_features):
    exact, _ = train_on(GPU, backbones, text_features)
    found, checkpoint = train_on(GPU, backbones, text_features, compute=Compute(precision="bfloat16"))
    assert found != exact
    assert found == pytest.approx(exact, rel=0.05)
    assert {part.dtype for part in checkpoint.adapters[0].state.values()} == {torch.float32}


# three steps an epoch in stage 2; the noise of training goes on where it was
@pytest.mark.parametrize("step", [3, 9])
def test_a_killed_training_goes_on(backbones, text_features, tmp_path, monkeypatch, step):
    noisy = Protocol(noise_scale=0.3)
    whole, _ = train_on(GPU, backbones, text_features, protocol=noisy)

    def training():
        return train_on(GPU, backbones, text_features, protocol=noisy, kept=tmp_path)

    assert killed_at(step, monkeypatch, training)
    resumed, _ = training()
    assert resumed == pytest.approx(whole, rel=1e-4)


def test_training_to_behavior(backbones):
    logs, states = [], []
    for device in (GPU, "cpu"):
        parts = []
        for seed, count in enumerate((48, 16)):
            target = 30 * torch.rand(count, len(PROMPTS), generator=torch.Generator().manual_seed(seed))
            parts.append(LabelledImages(pictures(count, seed=seed).to(device), target.to(device)))
        fit = fit_behavior(
            backbones[device], prompts=PROMPTS, training=parts[0], validation=parts[1], settings=BEHAVIOR, seed=0
        )
        logs.append([losses.total for losses in fit.log])
        states.append(fit.adapter)
    assert min(logs[1]) < logs[1][0]
    assert logs[0] == pytest.approx(logs[1], rel=1e-3)
    assert states[0].state.keys() == states[1].state.keys()


def test_initial_reweighting():
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randn(LAYERS, 30, SHARED, generator=generator)
    rdms = torch.rand(TIMES, 30 * 29 // 2, generator=generator)
    found, expected = (
        optimise_reweighting(tokens.to(device), rdms.to(device), outer_folds=3, inner_folds=2, seed=0)
        for device in (GPU, "cpu")
    )
    assert_near(found.held_out_correlation, expected.held_out_correlation, 1e-2)
    assert_near(found.weights, expected.weights, 1e-2)


@pytest.mark.parametrize("protocol", [QUIET, PUBLISHED.protocol], ids=["corrected", "published"])
def test_a_model_trained_on_the_gpu_is_read_anywhere(backbones, backbone_folder, text_features, tmp_path, protocol):
    _, checkpoint = train_on(GPU, backbones, text_features, protocol=protocol)
    save_checkpoint(checkpoint, tmp_path / "model.safetensors")
    images, names = pictures(9, seed=4), [str(number) for number in range(9)]
    on_gpu, again, on_cpu = (
        cliphba.load(tmp_path / "model.safetensors", backbone=backbone_folder, device=device)
        .embed_decoded(images.to(device), names)
        .values
        for device in (GPU, GPU, "cpu")
    )
    np.testing.assert_allclose(on_gpu, again, rtol=1e-6)
    np.testing.assert_allclose(on_gpu, on_cpu, rtol=0, atol=1e-4 * np.abs(on_cpu).max())


@torch.no_grad()
def test_float32_is_not_rounded_to_fewer_digits(backbones):
    images = pictures(8)
    exact = backbones["cpu"].with_clip(backbones["cpu"].copy().clip.double())
    assert_near(backbones[GPU].block_features(images.to(GPU)), exact.block_features(images.double()), 1e-5)
