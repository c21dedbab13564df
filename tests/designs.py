"""Labels of trials, as many tests need them."""

import numpy as np
from numpy.typing import NDArray

from cliphba.meg.design import Design, leave_one_session_out


def labels(stimuli: int, sessions: int, repetitions: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Stimulus and session of each trial, every stimulus shown equally often in every session."""
    grid = np.meshgrid(np.arange(stimuli), np.arange(sessions), np.arange(repetitions), indexing="ij")
    return grid[0].ravel(), grid[1].ravel()


def full_design(stimuli: int, sessions: int, repetitions: int) -> Design:
    """Leave one of these sessions out at a time."""
    return leave_one_session_out(*labels(stimuli, sessions, repetitions))
