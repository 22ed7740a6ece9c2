"""GANSpace edits in the form of the e4e code: a coordinate is set, not added to.

Source: Härkönen et al., 2020, and the port in encoder4editing (reference, section 10).
"""

from __future__ import annotations

import numpy as np

from desktop_app.core.types import FloatArray
from desktop_app.engine.edit.discover import PrincipalDirections


def set_coordinate(
    w_plus: FloatArray, principal: PrincipalDirections, number: int, *, strength: float, rows: range
) -> FloatArray:
    """Move rows of a code so that row 0's coordinate along a component becomes `strength`.

    The coordinate is measured in standard deviations, on row 0 alone, as the official port does.

    Args:
        w_plus: Code, (L, D).
        principal: Components of w: mean (D,), unit rows (K, D), deviations (K,).
        number: Which component.
        strength: Wanted coordinate in standard deviations.
        rows: Rows that are moved.

    Returns:
        The changed code, (L, D).
    """
    component = np.asarray(principal.components[number], dtype=np.float32).reshape(-1)
    std = float(principal.std[number])
    now = float((w_plus[0] - principal.mean.reshape(-1)) @ component) / std
    moved = w_plus.copy()
    moved[rows.start : rows.stop] += ((strength - now) * std) * component
    return moved
