"""Style mixing: rows of one code take the place of another's.

Source: style mixing of StyleGAN (Karras et al., 2019); reference, section 10. Coarse rows (4 and 8
pixels) steer pose and shape, middle rows (16 and 32) features, fine rows (from 64 on) colours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import FloatArray

GROUPS = ("coarse", "middle", "fine")
_COARSE_ROWS = 4
_MIDDLE_ROWS = 4


def group_rows(group: str, rows: int) -> range:
    """The rows of a group in a code with so many rows.

    Codes too short for StyleGAN's own division are divided into thirds.

    Raises:
        UserInputError: There is no such group.
    """
    coarse, middle = _COARSE_ROWS, _COARSE_ROWS + _MIDDLE_ROWS
    if rows <= middle:
        coarse, middle = math.ceil(rows / 3), math.ceil(2 * rows / 3)
    spans = dict(zip(GROUPS, (range(coarse), range(coarse, middle), range(middle, rows)), strict=True))
    if group not in spans:
        raise UserInputError(f"There is no group of rows '{group}'.", f"Known: {', '.join(GROUPS)}.")
    return spans[group]


def mix_codes(w_plus: FloatArray, other: FloatArray, *, groups: Sequence[str], strength: float) -> FloatArray:
    """Move rows of a code towards those of another.

    Args:
        w_plus: (L, D).
        other: (L, D).
        groups: Which rows.
        strength: 0: unchanged, 1: the other's rows.

    Returns:
        A new (L, D) float32 code, read-only.

    Raises:
        UserInputError: The codes differ in size, a group is unknown, the strength is not 0 to 1.
    """
    if w_plus.shape != other.shape:
        raise UserInputError(
            f"The two faces cannot be mixed: their codes have the sizes {w_plus.shape} and {other.shape}.",
            "Invert both with models of the same size.",
        )
    if not 0 <= strength <= 1:
        raise UserInputError(f"The strength of a mix must be 0 to 1, not {strength}.")
    mixed = np.array(w_plus, dtype=np.float32)
    for group in groups:
        rows = list(group_rows(group, len(mixed)))
        mixed[rows] = np.float32(1 - strength) * w_plus[rows] + np.float32(strength) * other[rows]
    mixed.setflags(write=False)
    return mixed
