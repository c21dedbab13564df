"""Is it only how complex pictures are? Measures of visual complexity against the brain, and alignment without them.

Whatever draws detailed and plain pictures apart is like the brain a little, be it a model or the size of a file.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from skimage.color import rgb2gray
from skimage.feature import canny
from skimage.filters import window
from skimage.measure import shannon_entropy

from cliphba import rdm
from cliphba.evaluate import alignment, partial, significance
from cliphba.evaluate.bootstrap import Estimate
from cliphba.evaluate.findings import (
    PEOPLE_AND_IMAGES,
    UNTRAINED,
    Finding,
    Independence,
    Procedure,
    tabulate,
)
from cliphba.evaluate.group import GROUP, course
from cliphba.evaluate.significance import Question, Significance
from cliphba.tables import RDMs, RDMSeries

logger = logging.getLogger(__name__)

Picture = NDArray[np.uint8]

#: All measures together, and the group model's alignment with every one of them partialled out.
COMPLEXITY, WITHOUT = "complexity", f"{GROUP} without complexity"

JPEG_QUALITY = 75
# Numbers that must be left of an RDM, its mean among them, once all measures are taken out, to be correlated.
LEAST_LEFT = 2


def compressed_size(picture: Picture) -> float:
    """Bytes of a JPEG a pixel (Machado et al. 2015, doi:10.1016/j.actpsy.2015.06.005)."""
    sink = io.BytesIO()
    Image.fromarray(picture).save(sink, "jpeg", quality=JPEG_QUALITY)
    return sink.tell() / picture[..., 0].size


def edge_density(picture: Picture) -> float:
    """Share of pixels on an edge, by Canny's detector (Rosenholtz, Li & Nakano 2007, doi:10.1167/7.2.17)."""
    return float(canny(rgb2gray(picture)).mean())


def luminance_entropy(picture: Picture) -> float:
    """Entropy of the distribution of 256 grey levels, in bits (scikit-image)."""
    return float(shannon_entropy(np.round(255 * rgb2gray(picture))))


def colourfulness(picture: Picture) -> float:
    """Spread and mean of the two opponent colours (Hasler & Suesstrunk 2003, doi:10.1117/12.477378)."""
    red, green, blue = np.moveaxis(picture.astype(np.float64), -1, 0)
    opponents = np.stack([red - green, (red + green) / 2 - blue])
    return float(np.linalg.norm(opponents.std((1, 2))) + 0.3 * np.linalg.norm(opponents.mean((1, 2))))


def spectral_slope(picture: Picture) -> float:
    """Slope of logarithmic amplitude over logarithmic spatial frequency (Field 1987, doi:10.1364/JOSAA.4.002379).

    The steeper, so the more negative, the less fine detail. Luminance, with a Hann window; frequencies from three
    cycles a picture, so that the window does not count, to the Nyquist limit, each octave alike.
    """
    grey = rgb2gray(picture)
    amplitude = np.abs(np.fft.fft2((grey - grey.mean()) * window("hann", grey.shape)))
    vertical, horizontal = (np.fft.fftfreq(length) for length in grey.shape)
    radius = np.rint(np.hypot(vertical[:, None], horizontal) * min(grey.shape)).astype(np.intp).ravel()
    rings = np.arange(3, min(grey.shape) // 2 + 1)
    mean = (np.bincount(radius, amplitude.ravel()) / np.maximum(np.bincount(radius), 1))[rings]
    # rings of equal width lie the denser the higher their frequency
    slope, _ = np.polyfit(np.log(rings), np.log(mean + rdm.TINY), 1, w=rings**-0.5)
    return float(slope)


MEASURES: Mapping[str, Callable[[Picture], float]] = {
    "compressed size": compressed_size,
    "edge density": edge_density,
    "luminance entropy": luminance_entropy,
    "colourfulness": colourfulness,
    "spectral slope": spectral_slope,
}


def describe(pictures: Iterable[Picture], stimuli: Iterable[str]) -> pd.DataFrame:
    """Measure how complex pictures are.

    Parameters
    ----------
    pictures
        Decoded, (height, width, 3) each, as they were shown, with shorter sides of the same length.
    stimuli
        Their identifiers.

    Returns
    -------
    DataFrame
        A row a picture, by its stimulus; a column for each of `MEASURES`.
    """
    rows = [{name: measure(picture) for name, measure in MEASURES.items()} for picture in pictures]
    return pd.DataFrame(rows, index=pd.Index(stimuli, name="stimulus"))


def rdms(measures: pd.DataFrame) -> dict[str, RDMs]:
    """RDM of each measure, and of all together.

    Parameters
    ----------
    measures
        (stimuli, measures), indexed by stimulus.

    Returns
    -------
    dict
        Measure to absolute differences; `COMPLEXITY` to distances of standardised measures.
    """
    values = measures.to_numpy(dtype=np.float64)
    # those that do not vary tell nothing apart
    values = (values - values.mean(0)) / np.sqrt(values.var(0) + rdm.TINY)
    rows, columns = rdm.pair_indices(len(values))
    apart = np.abs(values[rows] - values[columns])
    stimuli = tuple(measures.index)
    each = {name: RDMs.static(one, stimuli) for name, one in zip(measures.columns, apart.T, strict=True)}
    return {**each, COMPLEXITY: RDMs.static(np.linalg.norm(apart, axis=1), stimuli)}


def evaluate(
    measures: pd.DataFrame,
    group: RDMSeries,
    measured: Mapping[str, RDMSeries],
    procedure: Procedure,
    *,
    independence: Independence,
) -> dict[str, pd.DataFrame]:
    """Set complexity against the brains of all participants, and the group model without it.

    Parameters
    ----------
    measures
        (stimuli, measures), indexed by stimulus; see `describe`.
    group
        RDMs of the group model.
    measured
        Participant to measured RDMs of the same images.
    procedure
        How RDMs are compared, and how intervals and p are made.
    independence
        Of the group model.

    Returns
    -------
    dict
        Kind to table: ``complexity``, ``alignment`` and ``summary``. `WITHOUT` is the partial correlation of the
        group model and the brain, every single measure being taken out of both; of four images nothing is left then,
        and it is left out.
    """
    complexity = rdms(measures)
    found = alignment.measure(complexity, measured, **procedure.bootstrap(), label=COMPLEXITY)
    tested = {
        name: significance.of_mean(found.rho[name].value, [Question(one, list(measured.values()))], procedure)
        for name, one in complexity.items()
    }
    rho, controls = dict(found.rho), {name: complexity[name] for name in measures.columns}
    if rdm.pair_count(len(group.stimuli)) - len(controls) > LEAST_LEFT:
        rho |= partial.measure({WITHOUT: group}, measured, controls, procedure).rho
        tested[WITHOUT] = partial.test(rho[WITHOUT].value, group, measured, controls, procedure)
    else:
        logger.warning("%d images are too few for any measure to be taken out", len(group.stimuli))
    sources = {**dict.fromkeys(complexity, UNTRAINED), WITHOUT: independence}
    courses = [course(found, name, rho[name], tested[name], sources[name]) for name in rho]
    findings = [
        _area(name, rho[name].map(found.area).mean_over_participants(found.draws), tested[name], sources[name])
        for name in (COMPLEXITY, WITHOUT)
        if name in rho
    ]
    return {
        COMPLEXITY: measures.reset_index().melt("stimulus", var_name="measure"),
        "alignment": pd.concat(courses, ignore_index=True),
        "summary": tabulate(findings, images=len(group.stimuli), people=len(measured)),
    }


def _area(name: str, area: Estimate, tested: Significance, source: Independence) -> Finding:
    return Finding("alignment_auc", name, area, PEOPLE_AND_IMAGES, source, **tested.columns())
