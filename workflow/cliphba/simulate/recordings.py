"""Raw MEG as a physicist would simulate it: dipoles in a spherical conductor, seen by a helmet of sensors.

Every latent factor of a picture drives two dipoles with its own latency; around them play the rest of the brain, the
eyes, the heart, the mains and the sensors themselves.
"""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mne
import numpy as np
import pandas as pd
from mne.io.constants import FIFF
from mne_bids import BIDSPath, make_dataset_description, write_raw_bids
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.spatial.transform import Rotation

from cliphba.simulate.factors import FACTORS, Kind

Floats = NDArray[np.float64]

TASK = "pictures"
TRIGGER_CHANNEL = "STI101"

# Geometry, in metres and head coordinates.
CENTRE_M = np.array([0.0, 0.0, 0.04])  # MNE's own default for the centre of a spherical head
HELMET_RADIUS_M = 0.12  # 9 cm of head and 3 cm of dewar
HELMET_LOWEST = -0.25  # cosine of the polar angle at the rim: a helmet leaves the face and neck free
CORTEX_RADIUS_M = (0.055, 0.075)  # gyri to sulci under 9 cm of head
HEAD_SHIFT_SD_M = 0.003  # people sit some millimetres off between sessions
HEAD_TURN_SD_DEGREES = 2.0

# Responses. One transient of early vision lasts some 60 ms (Cichy, Pantazis & Oliva 2014).
TRANSIENT_SD_MS = 25.0
SUSTAINED_DELAY_MS = 130.0  # objects stay decodable in a second, broader wave 100-200 ms after the first
SUSTAINED_SD_MS = 70.0
SUSTAINED_GAIN = 0.8
# Pictures are decoded as well around 330 ms as around 120 ms (THINGS-MEG), though fewer factors then respond.
STRENGTH: dict[Kind, float] = {"low-level": 0.8, "colour": 1.0, "shape": 1.0, "texture": 1.0, "material": 1.7}
RESPONSE_MS = 700  # after this every kernel has died away
RESPONSE_MOMENT_AM = 12e-9  # a patch of cortex gives 10-20 nAm (Hamalainen et al. 1993)

# Everything else.
BACKGROUND_DIPOLES = 150  # more than sensors, so that the noise has full rank
BACKGROUND_MOMENT_AM = 5e-9  # 200 fT of ongoing activity in all: pairs are then decoded with 60-70 % accuracy
BACKGROUND_MEMORY_MS = 40.0  # slow, 1/f-like ongoing activity
SENSOR_NOISE_T = 25e-15  # 2.5 fT/sqrt(Hz) over 100 Hz, as SQUID magnetometers have
LINE_HZ, LINE_FIELD_T = 50.0, 300e-15  # what a shielded room lets through of the European mains
BLINKS_PER_MINUTE = 3.0  # people are asked to blink in the pauses, and do not always
BLINK_MS, BLINK_MOMENT_AM = 250.0, 250e-9
HEARTBEATS_PER_MINUTE, HEARTBEAT_MS, HEART_MOMENT_AM = 65.0, 60.0, 60e-9
EYES_M = np.array([[-0.03, 0.07, 0.02], [0.03, 0.07, 0.02]])
HEART_M = np.array([[0.01, 0.0, -0.04]])  # as deep as a sphere allows: the far field of the chest comes from below

# Timing.
ONSET_ASYNCHRONY_S, ONSET_JITTER_S = (
    0.75,
    0.03,
)  # leaves 50 ms after a response; the jitter breaks up alpha and the mains
MARGIN_S = 2.0  # rest before the first and after the last picture, for the filters
RESOLUTION_T = 1e-15  # one step of the 16-bit converter, far below the sensor noise
RANGE_T = 32767 * RESOLUTION_T  # where it saturates: three times the largest blink


@dataclass(frozen=True)
class Sources:
    """Dipoles: positions in metres, and unit directions, both (dipoles, 3), in head coordinates."""

    position: Floats
    direction: Floats


def simulate_session(
    factors: pd.DataFrame,
    truth: pd.DataFrame,
    *,
    session: int,
    seed: int,
    sensors: int,
    sampling_rate_hz: float,
    trials: "pd.Series[int]",
    signal: float,
) -> tuple[mne.io.RawArray, pd.DataFrame]:
    """Simulate one session of one participant.

    Parameters
    ----------
    factors : pandas.DataFrame (stimuli, factors)
        Strength of each latent factor in each picture, indexed by stimulus id.
    truth : pandas.DataFrame
        The rows of one participant from `draw_participants`.
    session : int
        Number of the session, from 1.
    seed : int
        Seed of the study: fixes the sources for everybody, and with the participant and session all the noise.
    sensors : int
        Number of radial magnetometers on the helmet.
    sampling_rate_hz : float
        Samples per second.
    trials : pandas.Series of int
        How often each picture is shown in the session, indexed by stimulus id.
    signal : float
        Scale of all responses; 0 switches the signal off.

    Returns
    -------
    raw : mne.io.RawArray
        Magnetometers in tesla and a trigger channel whose pulses are 1 + the row of the picture in `factors`.
    events : pandas.DataFrame
        One row a trial: ``onset`` (s), ``sample``, ``trial``, ``stimulus``.

    Raises
    ------
    ValueError
        If `truth` does not describe exactly one participant, or `factors` lacks a factor.
    """
    truth = _check(factors, truth)
    generator = _generator(seed, str(truth["participant"].iloc[0]), session)
    order = _draw_order(trials.loc[factors.index].to_numpy(dtype=np.int64), generator)
    onset = _draw_onsets(len(order), sampling_rate_hz, generator)
    samples = int(onset[-1] + (ONSET_ASYNCHRONY_S + MARGIN_S) * sampling_rate_hz)
    info = _helmet(sensors, sampling_rate_hz, generator)
    strength = signal * RESPONSE_MOMENT_AM * factors[truth.index].to_numpy()[order]
    responses = _respond(strength, onset, samples, truth=truth, rate=sampling_rate_hz)
    field = _lead_field(info, _factor_sources(seed, int(truth["anatomy"].iloc[0]))) @ responses
    field += _interfere(info, seed, samples, generator)
    trigger = np.zeros((1, samples))
    trigger[0, onset] = order + 1
    field = np.clip(field, -RANGE_T, RANGE_T)
    raw = mne.io.RawArray(np.vstack([field, trigger]), info, verbose="error")
    events = pd.DataFrame({"onset": onset / sampling_rate_hz, "sample": onset, "trial": np.arange(len(order))})
    return raw, events.assign(stimulus=factors.index.to_numpy()[order])


def write_session(raw: mne.io.BaseRaw, events: pd.DataFrame, *, root: Path, participant: str, session: int) -> Path:
    """Write one session into a BIDS data set, touching nothing but the participant's own folder.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        The recording.
    events : pandas.DataFrame
        Its events, as `simulate_session` returns them.
    root : pathlib.Path
        Folder of the data set.
    participant : str
        Name of the participant, such as ``sub-01``.
    session : int
        Number of the session.

    Returns
    -------
    pathlib.Path
        The FIF file.
    """
    place = BIDSPath(
        subject=participant.removeprefix("sub-"), session=f"{session:02d}", task=TASK, datatype="meg", suffix="meg"
    )
    root.mkdir(parents=True, exist_ok=True)
    # mne-bids also rewrites the files of the whole data set, where jobs of other participants would collide.
    with tempfile.TemporaryDirectory(dir=root, prefix=".writing-") as scratch:
        written = _write_bids(raw, events, place.copy().update(root=Path(scratch) / "bids"), Path(scratch))
        folder = root / written.parent.parent.relative_to(Path(scratch) / "bids")
        if folder.exists():
            shutil.rmtree(folder)
        folder.parent.mkdir(exist_ok=True)
        shutil.move(written.parent.parent, folder)
    return folder / "meg" / written.name


def describe_dataset(root: Path, participants: Sequence[str]) -> None:
    """Write the files that speak for the whole BIDS data set.

    Parameters
    ----------
    root : pathlib.Path
        Folder of the data set.
    participants : sequence of str
        Names of all participants, such as ``sub-01``.
    """
    root.mkdir(parents=True, exist_ok=True)
    make_dataset_description(
        path=root, name="Simulated pictures", authors=["cliphba"], data_license="CC0", overwrite=True, verbose=False
    )
    pd.DataFrame({"participant_id": participants}).to_csv(root / "participants.tsv", sep="\t", index=False)


def _write_bids(raw: mne.io.BaseRaw, events: pd.DataFrame, place: BIDSPath, scratch: Path) -> Path:
    """Write one session through mne-bids under the root of `place`; return the FIF file."""
    # mne-bids keeps the number format of a file that it is given, and 16 bits are half of what it would write itself.
    short = scratch / "short_raw.fif"
    raw.save(short, fmt="short", verbose="error")
    triggers = np.column_stack([events["sample"], np.zeros(len(events), dtype=int), np.ones(len(events), dtype=int)])
    written = write_raw_bids(
        mne.io.read_raw_fif(short, verbose="error"),
        place,
        events=triggers,
        event_id={"picture": 1},
        event_metadata=events[["stimulus", "trial"]],
        extra_columns_descriptions={"stimulus": "Id of the picture shown", "trial": "Number of the trial, from 0"},
        overwrite=True,
        verbose="error",
    )
    return Path(written.fpath)


def _check(factors: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Return the truth about one participant in the order of the factors, or say what is missing."""
    names = [factor.name for factor in FACTORS]
    if truth["participant"].nunique() != 1 or sorted(truth["factor"]) != sorted(names):
        raise ValueError("truth must hold the rows of exactly one participant, one for each factor.")
    if missing := set(names) - set(factors.columns):
        raise ValueError(f"factors lacks the columns {', '.join(sorted(missing))}: draw them with draw_factors.")
    return truth.set_index("factor").loc[names]


def _generator(seed: int, participant: str, session: int) -> np.random.Generator:
    """One stream of random numbers for each session of each participant."""
    return np.random.default_rng([seed, session, *participant.encode()])


def _draw_order(trials: NDArray[np.integer], generator: np.random.Generator) -> NDArray[np.int64]:
    """Row of the picture of each trial: rounds of all pictures still due, each in random order."""
    rounds = [np.flatnonzero(trials > number) for number in range(trials.max())]
    return np.concatenate([generator.permutation(due) for due in rounds])


def _draw_onsets(trials: int, rate: float, generator: np.random.Generator) -> NDArray[np.int64]:
    """Sample at which each picture appears."""
    gaps = ONSET_ASYNCHRONY_S + generator.uniform(-ONSET_JITTER_S, ONSET_JITTER_S, size=trials)
    return np.asarray(np.round((MARGIN_S + np.cumsum(gaps) - gaps[0]) * rate), dtype=np.int64)


def _helmet(sensors: int, rate: float, generator: np.random.Generator) -> mne.Info:
    """Spread radial point magnetometers evenly (by golden angles) over a helmet around a head not quite in place."""
    height = np.linspace(1, HELMET_LOWEST, sensors)
    turn = np.pi * (3 - np.sqrt(5)) * np.arange(sensors)
    across = np.sqrt(1 - height**2)
    outward = np.column_stack([across * np.cos(turn), across * np.sin(turn), height])
    names = [f"MEG{number:03d}" for number in range(1, sensors + 1)]
    info = mne.create_info([*names, TRIGGER_CHANNEL], rate, ["mag"] * sensors + ["stim"])
    for channel, normal in zip(info["chs"], outward, strict=False):
        # Columns of the coil's own frame: any two directions in its plane, then the direction that it measures.
        in_plane = np.linalg.svd(normal[None])[2][1:]
        channel["loc"][:] = np.concatenate([CENTRE_M + HELMET_RADIUS_M * normal, *in_plane, normal])
        channel["coil_type"] = FIFF.FIFFV_COIL_POINT_MAGNETOMETER
        channel["cal"] = RESOLUTION_T
    moved = np.eye(4)
    moved[:3, :3] = Rotation.from_rotvec(
        HEAD_TURN_SD_DEGREES * generator.standard_normal(3), degrees=True
    ).as_matrix()
    moved[:3, 3] = HEAD_SHIFT_SD_M * generator.standard_normal(3)
    with info._unlock():
        info["dev_head_t"] = mne.transforms.Transform("meg", "head", moved)
        info["line_freq"] = LINE_HZ
    return info


def _lead_field(info: mne.Info, sources: Sources) -> Floats:
    """Field of each dipole of 1 Am at each sensor, in tesla; shape (sensors, dipoles)."""
    space = mne.setup_volume_source_space(
        pos={"rr": sources.position, "nn": sources.direction}, sphere_units="m", verbose="error"
    )
    forward = mne.make_forward_solution(
        info,
        trans=None,
        src=space,
        bem=mne.make_sphere_model(CENTRE_M, head_radius=None, verbose="error"),
        eeg=False,
        verbose="error",
    )
    free = forward["sol"]["data"].reshape(len(info["chs"]) - 1, -1, 3)
    return np.asarray(np.einsum("sdo,do->sd", free, sources.direction))


def _cortical_sources(count: int, generator: np.random.Generator) -> Sources:
    """Dipoles anywhere in cortex, pointing anywhere, since cortex is folded; a sphere hides their radial part."""
    outward = _directions(count, generator)
    outward[:, 2] = np.maximum(outward[:, 2], HELMET_LOWEST)
    radius = generator.uniform(*CORTEX_RADIUS_M, size=(count, 1))
    return Sources(CENTRE_M + radius * outward, _directions(count, generator))


def _factor_sources(seed: int, anatomy: int) -> Sources:
    """Two dipoles for each factor in one anatomy, mirrored to where vision is: the back of the head.

    All lie in the walls of sulci, whose currents a magnetometer sees, so that how hard a study is does not hang on
    how many factors its seed happens to point outwards.
    """
    sources = _cortical_sources(2 * len(FACTORS), np.random.default_rng([seed, 0, anatomy]))
    position = np.where([False, True, False], -np.abs(sources.position), sources.position)
    outward = position - CENTRE_M
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    tangential = sources.direction - (sources.direction * outward).sum(axis=1, keepdims=True) * outward
    return Sources(position, tangential / np.linalg.norm(tangential, axis=1, keepdims=True))


def _directions(count: int, generator: np.random.Generator) -> Floats:
    """Draw unit vectors evenly over the sphere."""
    vectors = generator.standard_normal((count, 3))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _respond(strength: Floats, onset: NDArray[np.int64], samples: int, *, truth: pd.DataFrame, rate: float) -> Floats:
    """Moment of the two dipoles of each factor over the session; shape (2 x factors, samples)."""
    time_ms = np.arange(0, RESPONSE_MS, 1000 / rate)
    kernels = response_kernels(truth, time_ms)
    moment = np.zeros((2, len(truth), samples))
    for trial, start in zip(strength, onset, strict=True):
        moment[:, :, start : start + len(time_ms)] += trial[:, None] * kernels
    return moment.reshape(-1, samples)


def response_kernels(truth: pd.DataFrame, time_ms: Floats) -> Floats:
    """Time course of a participant's responses to the factors.

    Parameters
    ----------
    truth
        ``gain`` and ``latency_ms`` of each of ``FACTORS``, in their order.
    time_ms
        (times,) after stimulus onset.

    Returns
    -------
    array (2, factors, times)
        Of the two dipoles of each factor: a transient alone, and half of it with a sustained response after it.
    """
    peak_ms = truth["latency_ms"].to_numpy()[:, None]
    is_nameable = np.array([factor.prompt is not None for factor in FACTORS])[:, None]
    transient = _bump(time_ms - peak_ms, TRANSIENT_SD_MS)
    sustained = is_nameable * SUSTAINED_GAIN * _bump(time_ms - peak_ms - SUSTAINED_DELAY_MS, SUSTAINED_SD_MS)
    gain = truth["gain"].to_numpy()[:, None] * np.array([[STRENGTH[factor.kind]] for factor in FACTORS])
    return np.asarray(gain * np.stack([transient, transient / 2 + sustained]))


def _bump(lag_ms: Floats, sd_ms: float) -> Floats:
    """Evaluate a Gaussian of height one."""
    return np.asarray(np.exp(-0.5 * (lag_ms / sd_ms) ** 2))


def _interfere(info: mne.Info, seed: int, samples: int, generator: np.random.Generator) -> Floats:
    """Everything that is not a response: brain, eyes, heart, mains and the sensors themselves; (sensors, samples)."""
    background = _cortical_sources(BACKGROUND_DIPOLES, np.random.default_rng([seed, 1]))
    rate = float(info["sfreq"])
    field = _lead_field(info, background) @ _wander(BACKGROUND_DIPOLES, samples, rate, generator)
    eyes = Sources(EYES_M, np.tile([0.0, 0.0, 1.0], (2, 1)))
    blinks = BLINK_MOMENT_AM * _pulses(samples, rate, generator, per_minute=BLINKS_PER_MINUTE, width_ms=BLINK_MS)
    field += _lead_field(info, eyes).sum(axis=1, keepdims=True) * blinks
    beats = HEART_MOMENT_AM * _pulses(
        samples, rate, generator, per_minute=HEARTBEATS_PER_MINUTE, width_ms=HEARTBEAT_MS
    )
    field += _lead_field(info, Sources(HEART_M, np.array([[1.0, 0.0, 0.0]]))) * beats
    field += _mains(info, samples, rate, generator)
    field += SENSOR_NOISE_T * generator.standard_normal(field.shape)
    return np.asarray(field)


def _wander(count: int, samples: int, rate: float, generator: np.random.Generator) -> Floats:
    """Moments of ongoing activity, each a first-order autoregressive process of fixed variance."""
    memory = np.exp(-1000 / rate / BACKGROUND_MEMORY_MS)
    steps = generator.standard_normal((count, samples), dtype=np.float32)
    scale = BACKGROUND_MOMENT_AM * np.sqrt(1 - memory**2)
    return np.asarray(lfilter([scale], [1, -memory], steps, axis=1))


def _pulses(
    samples: int, rate: float, generator: np.random.Generator, *, per_minute: float, width_ms: float
) -> Floats:
    """Make a train of raised-cosine pulses of height one at irregular times."""
    mean_gap = 60 / per_minute
    gaps = generator.normal(mean_gap, 0.15 * mean_gap, size=int(2 * samples / rate / mean_gap) + 2)
    start = np.cumsum(np.maximum(gaps, 0.3 * mean_gap)) - generator.uniform(0, mean_gap)
    train = np.zeros(samples)
    at = np.round(start * rate).astype(int)
    train[at[(at >= 0) & (at < samples)]] = 1
    return np.convolve(train, np.hanning(int(width_ms / 1000 * rate) + 2), mode="same")


def _mains(info: mne.Info, samples: int, rate: float, generator: np.random.Generator) -> Floats:
    """Make the field of distant mains: one direction for all sensors."""
    normals = np.array([channel["loc"][9:] for channel in info["chs"][:-1]])
    direction = generator.standard_normal(3)
    phase = 2 * np.pi * LINE_HZ * np.arange(samples) / rate + generator.uniform(0, 2 * np.pi)
    return np.asarray(np.outer(normals @ direction / np.linalg.norm(direction), LINE_FIELD_T * np.sin(phase)))
