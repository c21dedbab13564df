"""Fine-tuning to RDMs over time: planted reweighting and adapters are approached, and the stages do what they say."""

import itertools
from typing import NamedTuple

import numpy as np
import pytest
import torch

from cliphba import rdm
from cliphba.clip import adapters
from cliphba.clip.adapters import AdapterPlan
from cliphba.clip.backbone import Backbone
from cliphba.clip.economy import forget_activations
from cliphba.config import Adapter, Compute, DynamicTraining, LossWeights, Protocol, derive_seed
from cliphba.models.checkpoint import Checkpoint, DynamicState, TrainedAdapter, save_checkpoint
from cliphba.models.heads import DynamicHead, TemporalCurves, block_similarity
from cliphba.studies import DEMO_PUBLISHED as PUBLISHED
from cliphba.train import dynamic
from cliphba.train.dynamic import MeasuredImages, Setup, fit_adapters, fit_reweightings
from cliphba.train.loop import EpochLosses, Task, best_loss, fit_members
from cliphba.train.losses import Objective
from tests.killing import killed_at
from tests.members import of_members
from tests.reference import losses_of_rdms
from tests.small_clip import LAYERS, pictures, text_features_among_images, trained_adapter

TIMES = 6
SETTINGS = DynamicTraining(
    adapter=Adapter(rank=4, magnitude=False),
    reweighting_learning_rate=0.1,
    adapter_learning_rate=3e-3,
    batch_size=16,
    stage_1_epochs=25,
    stage_1_patience=5,
    stage_2_epochs=8,
    stage_2_patience=3,
)
PLAN = AdapterPlan.of(SETTINGS.adapter, vision=tuple(range(LAYERS)))
QUIET, COMPUTE = Protocol(noise_scale=0.1), Compute(device="cpu")


def make_head(logits):
    ramp = torch.linspace(0.2, 1, TIMES)
    curves = TemporalCurves(20 * torch.arange(1, TIMES + 1).float(), ramp, ramp.flip(0), 1 - ramp)
    return DynamicHead(curves, logits, window_ms=20)


def start_head():
    return make_head(torch.zeros(TIMES, LAYERS))


@torch.no_grad()
def rdms_of(model, head, images, text_features):
    similarity = block_similarity(model.block_features(images), text_features, model.scale)
    return rdm.correlation_distance(head(similarity))


@pytest.fixture(scope="module")
def text_features(backbone):
    return text_features_among_images(backbone)


@pytest.fixture(scope="module")
def measured(backbone, text_features):
    """Training, validation and test images with the RDMs of a planted model of the same kind."""
    planted = checkpoint_of(backbone, trained_adapter(backbone.copy().clip, PLAN, seed=5)).onto(backbone)
    early_to_late = 4 * torch.cos(torch.linspace(0, np.pi, TIMES)[:, None] - torch.linspace(0, np.pi, LAYERS))
    parts = [pictures(count, seed=seed) for seed, count in enumerate((40, 16, 24))]
    return [MeasuredImages(part, rdms_of(planted, make_head(early_to_late), part, text_features)) for part in parts]


def checkpoint_of(backbone, adapter, state=None):
    return Checkpoint(
        kind="dynamic" if state else "behavior",
        dimensions=[],
        prompts=[],
        adapters=[adapter],
        backbone="backbone",
        backbone_sha256=backbone.weights_sha256,
        dynamic=state,
    )


class Fit(NamedTuple):
    dynamic: DynamicState
    adapter: TrainedAdapter
    logs: tuple[list[EpochLosses], list[EpochLosses]]


def train(backbone, measured, text_features, *, seed=0, protocol=QUIET, kept=None, compute=COMPUTE, **changes):
    """Both stages."""
    settings = SETTINGS.model_copy(update=changes)
    setup = Setup(backbone, text_features, *measured[:2], settings, protocol, seed, compute, kept)
    (first,) = fit_reweightings(of_members(setup, [part.rdms[None] for part in measured[:2]]), {"one": start_head()})
    second = fit_adapters(setup, "one", first.dynamic.head(), Objective.relative_to(first.before, settings.loss))
    return Fit(second.dynamic, second.adapter, (first.log, second.log))


@pytest.fixture(scope="module")
def fitted(backbone, measured, text_features):
    return train(backbone, measured, text_features)


# one step an epoch in stage 1, two in stage 2
@pytest.mark.parametrize("steps", [(0,), (3,), (9,), (16,), (23,), (26,), (28,), (31,), (34,), (37,), (11, 8, 7, 3)])
def test_a_killed_training_ends_as_if_it_had_not_been(
    backbone, measured, text_features, fitted, tmp_path, monkeypatch, steps
):
    for step in steps:
        assert killed_at(step, monkeypatch, lambda: train(backbone, measured, text_features, kept=tmp_path))
    resumed = train(backbone, measured, text_features, kept=tmp_path)
    assert resumed.logs == fitted.logs
    assert torch.equal(resumed.dynamic.reweighting, fitted.dynamic.reweighting)
    assert all(torch.equal(resumed.adapter.state[name], tensor) for name, tensor in fitted.adapter.state.items())


def held_out_fit(backbone, measured, text_features, adapter, head):
    model = checkpoint_of(backbone, adapter).onto(backbone) if adapter else backbone
    found = rdms_of(model, head, measured[2].images, text_features)
    return float(rdm.pearson(found.flatten(), measured[2].rdms.flatten()))


def test_a_planted_model_is_approached_on_unseen_images_stage_by_stage(backbone, measured, text_features, fitted):
    before = held_out_fit(backbone, measured, text_features, None, start_head())
    head = fitted.dynamic.head()
    reweighted = held_out_fit(backbone, measured, text_features, None, head)
    adapted = held_out_fit(backbone, measured, text_features, fitted.adapter, head)
    assert before < reweighted < adapted
    assert 1 - adapted < (1 - before) / 2


def test_the_saved_model_has_the_best_validation_loss_of_training(backbone, measured, text_features, fitted):
    model = checkpoint_of(backbone, fitted.adapter).onto(backbone)
    predicted = rdms_of(model, fitted.dynamic.head(), measured[1].images, text_features)
    parts = losses_of_rdms(predicted.numpy(), measured[1].rdms.numpy())
    best = min((losses for losses in fitted.logs[1] if losses.split == "validation"), key=lambda one: one.total)
    assert parts.tolist() == pytest.approx(best.parts, abs=1e-4)


def test_losses_are_relative_to_those_before_training(backbone, measured, text_features, fitted):
    before = rdms_of(backbone, start_head(), measured[1].images, text_features)
    parts = losses_of_rdms(before.numpy(), measured[1].rdms.numpy())
    assert fitted.logs[0][0].parts[:2] == pytest.approx(parts.tolist()[:2], abs=1e-5)
    # the start weighs blocks alike at all times: no generalisation to compare
    assert fitted.logs[0][0].parts[2] == pytest.approx(1, abs=2e-3)
    assert fitted.logs[0][0].total == pytest.approx(1 + 0.1 + 0.15, abs=1e-5)
    objective = Objective.relative_to(torch.tensor(fitted.logs[0][0].parts), LossWeights())
    last = fitted.logs[1][-1]
    assert float(objective.total(torch.tensor(last.parts))) == pytest.approx(last.total, rel=1e-4)


def test_stage_2_starts_from_the_best_of_stage_1_not_from_its_last(backbone, measured, text_features):
    hasty = {"reweighting_learning_rate": 30.0, "stage_1_epochs": 3, "stage_2_epochs": 0}
    fit = train(backbone, measured, text_features, **hasty)
    first, second = fit.logs
    assert first[-1].total > best_loss(first) + 0.01
    assert second[0].total == pytest.approx(best_loss(first), abs=1e-3)


def test_no_second_stage_leaves_the_vision_tower_as_it_was(backbone, measured, text_features):
    fit = train(backbone, measured, text_features, stage_1_epochs=3, stage_2_epochs=0)
    model = checkpoint_of(backbone, fit.adapter).onto(backbone)
    images = measured[1].images
    torch.testing.assert_close(model.block_features(images), backbone.block_features(images), atol=1e-5, rtol=0)
    assert not torch.equal(fit.dynamic.reweighting, torch.zeros(TIMES, LAYERS))


def test_the_model_given_stays_as_it_was(backbone, measured, text_features):
    before = {name: part.clone() for name, part in backbone.clip.state_dict().items()}
    train(backbone, measured, text_features, stage_1_epochs=1, stage_2_epochs=1)
    assert all(torch.equal(part, before[name]) for name, part in backbone.clip.state_dict().items())
    assert set(before) == set(backbone.clip.state_dict())


def test_magnitudes_stay_frozen(backbone, fitted):
    for name, part in fitted.adapter.state.items():
        if name.endswith("lora_magnitude_vector"):
            place = name.removeprefix("base_model.model.").removesuffix("lora_magnitude_vector")
            weight = backbone.clip.state_dict()[f"{place}weight"]
            torch.testing.assert_close(part, weight.norm(dim=1))


def test_same_seed_gives_the_same_bytes(backbone, measured, text_features, tmp_path):
    for name, seed in (("first", 0), ("second", 0), ("other", 1)):
        fit = train(backbone, measured, text_features, seed=seed, stage_1_epochs=2, stage_2_epochs=2)
        save_checkpoint(checkpoint_of(backbone, fit.adapter, fit.dynamic), tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    assert (tmp_path / "first").read_bytes() != (tmp_path / "other").read_bytes()


def test_stage_1_uses_all_pairs_and_never_runs_the_tower(backbone, measured, text_features, monkeypatch):
    runs, pairs = [], []
    class_tokens, parts_of = Backbone.class_tokens, dynamic.loss_parts
    monkeypatch.setattr(
        Backbone, "class_tokens", lambda self, images: runs.append(len(images)) or class_tokens(self, images)
    )
    monkeypatch.setattr(
        dynamic, "loss_parts", lambda found, target: pairs.append(target.rdms.shape[-1]) or parts_of(found, target)
    )
    counts = []
    for epochs in (1, 4):
        runs.clear()
        pairs.clear()
        train(backbone, measured, text_features, stage_1_epochs=epochs, stage_2_epochs=0)
        counts.append(len(runs))
        assert pairs.count(40 * 39 // 2) == epochs
    assert counts[0] == counts[1]


def test_stage_2_uses_every_image_in_new_batches_each_epoch(backbone, measured, text_features, monkeypatch):
    drawn = []
    subset = MeasuredImages.subset
    monkeypatch.setattr(
        MeasuredImages, "subset", lambda self, chosen: drawn.append(chosen.tolist()) or subset(self, chosen)
    )
    train(backbone, measured, text_features, stage_1_epochs=1, stage_2_epochs=3)
    batches = round(40 / 16)
    epochs = [drawn[start : start + batches] for start in range(0, len(drawn), batches)]
    assert len(epochs) == 3
    assert all(sorted(itertools.chain(*epoch)) == list(range(40)) for epoch in epochs)
    assert len({frozenset(batch) for epoch in epochs for batch in epoch}) == 3 * batches


def test_prompts_are_not_encoded_in_training(backbone, measured, text_features, monkeypatch):
    def refuse(self, prompts):
        raise AssertionError("text tower run")

    monkeypatch.setattr(Backbone, "text_features", refuse)
    train(backbone, measured, text_features, stage_1_epochs=1, stage_2_epochs=1)


def test_noise_is_in_training_only(backbone, measured, text_features):
    quiet, loud = (
        train(
            backbone,
            measured,
            text_features,
            protocol=Protocol(noise_scale=scale),
            stage_1_epochs=1,
            stage_2_epochs=0,
        ).logs[0]
        for scale in (0, 5)
    )
    assert quiet[0] == loud[0]
    assert quiet[1].total < loud[1].total


def test_subset_takes_pairs_in_the_order_of_its_images():
    whole = MeasuredImages(torch.arange(4.0), torch.tensor([[1.0, 2, 3, 4, 5, 6]]))  # pairs 01 02 03 12 13 23
    part = whole.subset(torch.tensor([3, 0, 2]))
    assert part.images.tolist() == [3, 0, 2]
    assert part.rdms.tolist() == [[3, 6, 2]]


def test_an_undefined_rdm_is_refused_and_not_trained_on(backbone, measured, text_features):
    holed = measured[0].rdms.clone()
    holed[0] = torch.nan
    with pytest.raises(ValueError, match="stage 1: reweighting: the train loss of epoch 1 is not a number"):
        train(backbone, [MeasuredImages(measured[0].images, holed), measured[1]], text_features)


def test_participants_trained_at_once_get_what_they_would_get_alone(backbone, measured, text_features):
    """Though one of them stops early and the others go on."""
    generator = torch.Generator().manual_seed(8)
    rdms = [
        torch.stack([part.rdms, 2 - part.rdms, torch.rand(part.rdms.shape, generator=generator)])
        for part in measured[:2]
    ]
    setup = Setup(backbone, text_features, *measured[:2], SETTINGS, QUIET, 0, COMPUTE)
    heads = {"a": start_head(), "b": make_head(torch.randn(TIMES, LAYERS, generator=generator)), "c": start_head()}
    together = fit_reweightings(of_members(setup, rdms), heads)
    lengths = {len(fit.log) for fit in together}
    assert len(lengths) > 1, "all stopped at the same time: the test says nothing"
    for index, (name, head) in enumerate(heads.items()):
        (alone,) = fit_reweightings(of_members(setup, [part[[index]] for part in rdms]), {name: head})
        torch.testing.assert_close(
            together[index].dynamic.reweighting, alone.dynamic.reweighting, atol=1e-4, rtol=1e-3
        )
        assert [losses.epoch for losses in together[index].log] == [losses.epoch for losses in alone.log]
        torch.testing.assert_close(together[index].before, alone.before, atol=1e-3, rtol=0)


def test_activations_computed_again_change_nothing(backbone, measured, text_features, fitted):
    saving = Compute(device="cpu", gradient_checkpointing=True)
    found = train(backbone, measured, text_features, compute=saving)
    assert found.logs == fitted.logs
    assert all(torch.equal(found.adapter.state[name], tensor) for name, tensor in fitted.adapter.state.items())


def test_activations_are_in_fact_not_kept(backbone, measured, text_features):
    def kept_bytes(gradient_checkpointing):
        adapted = adapters.add_adapters(backbone.copy().clip, PLAN, seed=0)
        if gradient_checkpointing:
            forget_activations(adapted.clip)
        model = dynamic.DynamicModel(backbone.with_clip(adapted.clip), text_features, start_head())
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor: sizes.append(tensor.numel()) or tensor, lambda tensor: tensor
        ):
            model.losses(model.similarity(measured[0].images), measured[0].target)
        return sum(sizes)

    assert kept_bytes(True) < kept_bytes(False) / 3


def test_bfloat16_trains_nearly_the_same_model_with_weights_in_float32(backbone, measured, text_features, fitted):
    found = train(backbone, measured, text_features, compute=Compute(device="cpu", precision="bfloat16"))
    assert {tensor.dtype for tensor in found.adapter.state.values()} == {torch.float32}
    assert found.logs[1] != fitted.logs[1]
    assert best_loss(found.logs[1]) == pytest.approx(best_loss(fitted.logs[1]), rel=0.1)


@pytest.mark.parametrize("method", ["lora", "published_dora"])
def test_other_adapters_learn_too_but_the_published_ones_start_from_another_tower(
    backbone, measured, text_features, fitted, method
):
    """Fault 2: both factors start at random, in stage 1 already."""
    fit = train(backbone, measured, text_features, adapter=Adapter(method=method, rank=4, magnitude=False))
    assert best_loss(fit.logs[1]) < fit.logs[1][0].total
    assert fit.adapter.plan.method == method
    # stage 2 begins where stage 1 ended
    assert fit.logs[1][0].total == pytest.approx(best_loss(fit.logs[0]), abs=1e-4)
    same = fit.logs[0][0].parts[0] == pytest.approx(fitted.logs[0][0].parts[0], abs=1e-6)
    assert same == (method == "lora")


def test_a_missing_value_of_one_who_has_stopped_does_not_stop_the_others():
    """Losses of three members, of whom the first stops at once and then has no losses any more."""
    weight = torch.nn.Parameter(torch.zeros(3))
    seen = []

    def validation():
        seen.append(1)
        epoch = len(seen) - 1
        first = torch.nan if epoch > 2 else 1.0 + epoch
        return torch.tensor([[first], [5.0 - epoch], [5.0 - epoch]])

    task = Task(
        name="three",
        batches=lambda: [0],
        losses=lambda _: (weight * torch.tensor([1.0 if len(seen) <= 3 else torch.nan, 1, 1]))[:, None],
        validation_losses=validation,
        objective=lambda parts: parts[:, 0],
        snapshot=lambda: weight.detach().clone(),
    )
    _, logs = fit_members(task, torch.optim.SGD([weight], lr=0.1), epochs=6, patience=2)
    assert [max(losses.epoch for losses in log) for log in logs] == [2, 6, 6]


def test_the_published_protocol_trains_with_noise_in_validation_and_resumes(
    backbone, measured, text_features, tmp_path, monkeypatch
):
    protocol = PUBLISHED.protocol.model_copy(update={"noise_scale": 0.2})
    options = {"protocol": protocol, "adapter": Adapter(method="published_dora", rank=4, magnitude=False)}
    whole = train(backbone, measured, text_features, **options)
    assert whole.dynamic.evaluation_noise == (0.2, derive_seed(0, "noise at evaluation", "one"))
    for step in (5, 8):
        training = lambda: train(backbone, measured, text_features, kept=tmp_path, **options)  # noqa: E731
        assert killed_at(step, monkeypatch, training)
    resumed = train(backbone, measured, text_features, kept=tmp_path, **options)
    assert resumed.logs == whole.logs
    assert all(torch.equal(resumed.adapter.state[name], tensor) for name, tensor in whole.adapter.state.items())
