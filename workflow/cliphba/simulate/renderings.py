"""Other ways of showing the pictures of the demo study, and what of them can then be seen."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.ndimage import gaussian_filter

from cliphba.config import Rendering

Array = npt.NDArray[np.floating]

# SD as a share of the picture's width: as wide as the clouds of the background.
BLUR = 1 / 24
# Weights of red, green and blue in the luminance of a screen (ITU-R BT.601).
LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)
# A background without anything in it: an even mid-grey, the same behind every object.
BACKDROP = {"background luminance": 0.0, "background contrast": 0.0}

#: Share of a factor's strength that can still be seen, to the nearest quarter; all of a factor that is not named. The
#: brains of the simulated study respond to this share: it is part of the known truth.
VISIBLE: dict[Rendering, dict[str, float]] = {
    "full": {},
    "degraded": {
        # grey has no hue; black and white are none
        **dict.fromkeys(("red", "orange", "yellow", "green"), 0.0),
        # contrast within the object that is left of dots, hairs, glints, lines, blobs, grain
        **dict.fromkeys(("fine pattern", "fluffy", "transparent"), 0.25),
        **dict.fromkeys(("grid", "coarse pattern", "wooden"), 0.5),
        # and of reflections and clouds
        **dict.fromkeys(("metallic", "background contrast"), 0.75),
    },
    "without_background": dict.fromkeys(BACKDROP, 0.0),
}


def degrade(picture: Array) -> Array:
    """Blur a picture and take its colours away.

    Parameters
    ----------
    picture : array (height, width, 3)
        Red, green and blue in [0, 1].

    Returns
    -------
    array (height, width, 3)
        Luminance, three times over, smoothed by a Gaussian whose width is a fixed share of the picture's, so that
        the same is lost at any size.
    """
    grey = gaussian_filter(picture @ LUMINANCE, BLUR * picture.shape[1], mode="nearest")
    return np.repeat(grey[..., None], 3, axis=2)


def visible_factors(factors: pd.DataFrame, rendering: Rendering) -> pd.DataFrame:
    """Say how strongly each factor can be seen in pictures that are shown in another way.

    Parameters
    ----------
    factors : pandas.DataFrame (pictures, factors)
        Those that the pictures were drawn from.
    rendering : str
        How they are shown.

    Returns
    -------
    pandas.DataFrame (pictures, factors)
        Strengths times the shares of `VISIBLE`.
    """
    shares = pd.Series(VISIBLE[rendering], dtype=float).reindex(factors.columns, fill_value=1.0)
    return factors * shares
