"""A cheap check of the pictures themselves that tells near-duplicates from merely similar photos.

Measured on 300 photos against changed copies of themselves, and on 3.1 million pairs of different
photos: at the limits below the check accepts all copies that were compressed hard, halved, brightened
or tinted, about 80 % of those cropped evenly by 3 to 8 % a side, and about 60 pairs of different
photos (the same object before the same background); the similarity of embeddings has to agree as well.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from desktop_app.core.types import Image

_GREY_SIDE = 16
_COLOUR_SIDE = 4
SIGNATURE_BYTES = _GREY_SIDE**2 + 3 * _COLOUR_SIDE**2
_LEAST_CORRELATION = 0.95
_MOST_COLOUR_DIFFERENCE = 25.0
# Even crops tried on either picture, as fractions of a side.
_CROPS = (0.0, 0.02, 0.04, 0.06, 0.08)
# Below this standard deviation (0 to 255) a picture is flat: there is no structure to compare.
_FLAT = 1.0

_Floats = npt.NDArray[np.float32]


def picture_signature(image: Image) -> bytes:
    """16 x 16 grey values and 4 x 4 colours of a picture, stretched to a square: 304 bytes."""
    box = PillowImage.Resampling.BOX
    small = PillowImage.fromarray(image).resize((_GREY_SIDE, _GREY_SIDE), box)
    colours = small.resize((_COLOUR_SIDE, _COLOUR_SIDE), box)
    return small.convert("L").tobytes() + colours.tobytes()


def show_the_same(first: bytes, second: bytes) -> bool:
    """Whether two signatures are of one picture: the same photo, edited or saved again."""
    grey_a, colours_a = _parts(first)
    grey_b, colours_b = _parts(second)
    if _colour_difference(colours_a, colours_b) > _MOST_COLOUR_DIFFERENCE:
        return False
    return grey_agreement(grey_a, grey_b) >= _LEAST_CORRELATION


def grey_agreement(a: _Floats, b: _Floats) -> float:
    """Best correlation of two (16, 16) grey pictures when either may be an even crop of the other."""
    is_flat = [float(grey.std()) < _FLAT for grey in (a, b)]
    if any(is_flat):
        return 1.0 if all(is_flat) else 0.0
    best = -1.0
    for m in _crop_matrices():
        a_cropped = (m @ a @ m.T).astype(np.float32)
        b_cropped = (m @ b @ m.T).astype(np.float32)
        best = max(best, _correlation(a_cropped, b), _correlation(a, b_cropped))
    return best


def _correlation(a: _Floats, b: _Floats) -> float:
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float((a * b).sum()) / norm if norm > 1e-3 else 0.0


def _colour_difference(a: _Floats, b: _Floats) -> float:
    """Mean difference of colours, 0 to 255, after bringing the second to the brightness of the first."""
    gain = float(a.mean()) / max(float(b.mean()), 1.0)
    return float(np.abs(a - b * min(max(gain, 0.5), 2.0)).mean())


def _parts(signature: bytes) -> tuple[_Floats, _Floats]:
    values = np.frombuffer(signature, dtype=np.uint8).astype(np.float32)
    return values[: _GREY_SIDE**2].reshape(_GREY_SIDE, _GREY_SIDE), values[_GREY_SIDE**2 :]


@cache
def _crop_matrices() -> tuple[_Floats, ...]:
    """One (16, 16) matrix a crop that samples the middle of a row linearly."""
    matrices = []
    for crop in _CROPS:
        matrix = np.zeros((_GREY_SIDE, _GREY_SIDE), dtype=np.float32)
        for i in range(_GREY_SIDE):
            at = (crop + (i + 0.5) / _GREY_SIDE * (1 - 2 * crop)) * _GREY_SIDE - 0.5
            at = min(max(at, 0.0), _GREY_SIDE - 1.0)
            left = int(at)
            matrix[i, left] += 1 - (at - left)
            matrix[i, min(left + 1, _GREY_SIDE - 1)] += at - left
        matrices.append(matrix)
    return tuple(matrices)
