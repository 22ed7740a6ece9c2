"""GANSpace edits in the form of the e4e code: a coordinate is set, not added to.

Source: Härkönen et al., 2020, and the port in encoder4editing (reference, section 10).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class PrincipalDirections:
    """Principal components of w.

    Attributes:
        mean: Mean w, (D,).
        components: Unit rows, (K, D).
        std: Standard deviation along each row, (K,).
    """

    mean: Tensor
    components: Tensor
    std: Tensor


def set_coordinate(
    w_plus: Tensor, principal: PrincipalDirections, number: int, *, strength: float, rows: range
) -> Tensor:
    """Move rows of a code so that row 0's coordinate along a component becomes `strength`.

    The coordinate is measured in standard deviations, on row 0 alone, as the official port does.

    Args:
        w_plus: Code, (B, L, D).
        principal: The components.
        number: Which component.
        strength: Wanted coordinate in standard deviations.
        rows: Rows that are moved.

    Returns:
        The changed code, (B, L, D).
    """
    component, std = principal.components[number], principal.std[number]
    now = ((w_plus[:, 0] - principal.mean) @ component) / std  # (B,)
    delta = ((strength - now) * std)[:, None] * component  # (B, D)
    moved = w_plus.clone()
    moved[:, rows.start : rows.stop] += delta[:, None]
    return moved
