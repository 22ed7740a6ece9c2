"""How a picture becomes the square input of an encoder: Pillow and numpy only, safe in any thread."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from PIL import Image as PillowImage

from desktop_app.core.types import Image

_REDUCING_GAP = 3.0


class Fit(StrEnum):
    """How a picture that is no square becomes one."""

    SQUEEZE = "squeeze"
    """The whole picture, its sides squeezed to one length."""
    CROP = "crop"
    """The shorter side is scaled, the middle is kept."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What an encoder expects.

    Attributes:
        input_px: Side of the square.
        fit: How the square is made.
        crop_share: For `crop`: part of the scaled shorter side that is kept, (0, 1].
        resampling: Pillow's filter.
        mean: Of each channel, subtracted from values in [0, 1].
        std: Of each channel, divided by.
    """

    input_px: int
    fit: Fit = Fit.SQUEEZE
    crop_share: float = 1.0
    resampling: PillowImage.Resampling = PillowImage.Resampling.BICUBIC
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)

    def prepare(self, image: Image) -> Image:
        """Any picture, (H, W, 3) uint8 -> (input_px, input_px, 3) uint8."""
        picture = PillowImage.fromarray(np.ascontiguousarray(image))
        side = self.input_px
        box: tuple[float, float, float, float] = (0.0, 0.0, float(picture.width), float(picture.height))
        if self.fit is Fit.CROP:
            kept = min(picture.width, picture.height) * self.crop_share
            left, top = (picture.width - kept) / 2.0, (picture.height - kept) / 2.0
            box = (left, top, left + kept, top + kept)
        small = picture.resize((side, side), self.resampling, box=box, reducing_gap=_REDUCING_GAP)
        return np.ascontiguousarray(np.asarray(small))
