"""The training loop with a scripted task: the best epoch is kept, patience ends, nonsense is refused."""

import math

import pytest
import torch

from cliphba import tables
from cliphba.train.loop import Task, best_loss, fit, tabulate


def scripted(validation, *, batches=2):
    """One weight that counts its steps; validation losses follow a script."""
    weight = torch.nn.Parameter(torch.zeros(()))
    script = iter(validation)
    task = Task(
        name="scripted",
        batches=lambda: range(batches),
        losses=lambda _: (weight * 0 - weight)[None],
        validation_losses=lambda: torch.tensor([next(script)]),
        objective=torch.sum,
        snapshot=weight.item,
    )
    return task, torch.optim.SGD([weight], lr=1.0)


def run(validation, *, epochs=10, patience=3, batches=2):
    task, optimizer = scripted(validation, batches=batches)
    return fit(task, optimizer, epochs=epochs, patience=patience)


def epochs_of(log):
    return [losses.epoch for losses in log if losses.split == "validation"]


def test_the_best_epoch_is_kept():
    best, log = run([5, 4, 3, 6, 7, 8])
    assert best == 2 * 2  # two steps in each of two epochs
    assert best_loss(log) == 3


def test_the_start_is_kept_if_nothing_is_better():
    best, log = run([1, 2, 3, 4])
    assert best == 0
    assert best_loss(log) == 1


def test_an_equal_loss_is_no_improvement():
    best, log = run([1, 1, 1, 1])
    assert best == 0
    assert epochs_of(log) == [0, 1, 2, 3]


def test_patience_counts_from_the_last_improvement():
    _, log = run([5, 6, 7, 4, 5, 5, 5, 1])
    assert epochs_of(log) == list(range(7))


def test_epochs_end_training_though_it_improves():
    best, log = run([9, 8, 7, 6, 5, 4], epochs=3)
    assert best == 6
    assert epochs_of(log) == [0, 1, 2, 3]


def test_no_epochs_give_the_start():
    best, log = run([9], epochs=0)
    assert best == 0
    assert len(log) == 1


def test_training_losses_are_averaged_over_batches():
    _, log = run([9, 8], epochs=1, batches=3)
    trained = [losses for losses in log if losses.split == "train"]
    assert [losses.total for losses in trained] == [-(0 + 1 + 2) / 3]


@pytest.mark.parametrize("script", [[math.nan], [1, math.nan]])
def test_a_loss_that_is_not_a_number_is_refused(script):
    with pytest.raises(ValueError, match="scripted: the validation loss of epoch"):
        run(script)


def test_log_becomes_a_table(tmp_path):
    _, one_part = run([2, 1], epochs=1)
    three = Task(
        name="three",
        batches=lambda: [None],
        losses=lambda _: torch.ones(3, requires_grad=True) * 1.0,
        validation_losses=lambda: torch.tensor([1.0, 2.0, 3.0]),
        objective=torch.sum,
        snapshot=lambda: None,
    )
    _, three_parts = fit(three, torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))]), epochs=1, patience=1)
    tables.write(tabulate([one_part, three_parts]), tmp_path / "log.parquet", "training")
    found = tables.read(tmp_path / "log.parquet", "training")
    assert found["stage"].tolist() == [1, 1, 1, 2, 2, 2]
    assert found["split"].tolist() == ["validation", "train", "validation"] * 2
    assert found["pattern"].isna().tolist() == [True] * 3 + [False] * 3
    assert found.iloc[3][["total", "pattern", "magnitude", "generalisation"]].tolist() == [6, 1, 2, 3]
