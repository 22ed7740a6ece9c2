"""Slider ranges: how strong an edit must be for the picture to change by a wanted amount."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from desktop_app.core.types import FloatArray
from desktop_app.engine.edit.directions import Direction
from desktop_app.engine.invert.model import InversionModel
from desktop_app.engine.invert.restyle import synthesize

# Root mean square change of a picture in [-1, 1] at a slider's ends, chosen by eye on contact sheets:
# clearly another picture, still a face. Closed-form directions leave the codes of real faces
# sooner than those that were found on faces, so they get less.
TARGET_CHANGE = 0.18
CLOSED_FORM_TARGET_CHANGE = 0.14
# A strength is searched between these, in lengths of the direction's vector.
LARGEST_STRENGTH = 200.0
# Accepted deviation from the target.
TOLERANCE = 0.08
MOST_TRIES = 8

Synthesis = Callable[[FloatArray], Tensor]


def target_of(direction: Direction) -> float:
    """The change wanted at the ends of a direction's slider."""
    return CLOSED_FORM_TARGET_CHANGE if direction.kind == "sefa" else TARGET_CHANGE


def calibrated(
    direction: Direction, model: InversionModel, codes: Sequence[FloatArray], *, target: float
) -> Direction | None:
    """The direction with a range whose ends change the picture by `target`.

    Args:
        direction: A direction with any range.
        model: Its model.
        codes: Codes (L, D) on which the change is measured and averaged; a few are enough.
        target: Root mean square change in [-1, 1] pictures.

    Returns:
        The direction, or None when it changes next to nothing.
    """

    def render(code: FloatArray) -> Tensor:
        return synthesize(model, code).clamp(-1.0, 1.0)

    before = [render(code) for code in codes]
    ends = []
    for sign in (-1.0, 1.0):
        strength = _strength_for(
            lambda s, sign=sign: _change(render, before, codes=codes, move=sign * s * direction.vector),  # type: ignore[misc]
            start=direction.maximum,
            target=target,
        )
        if strength is None:
            return None
        ends.append(sign * strength)
    return replace(direction, minimum=_rounded(ends[0]), maximum=_rounded(ends[1]))


def average_codes(model: InversionModel) -> list[FloatArray]:
    """The average code, for models of which no other code is known."""
    average = model.w_avg.detach().float().cpu().numpy()
    return [np.repeat(average[None], model.n_styles, axis=0)]


def _change(
    render: Synthesis, before: Sequence[Tensor], *, codes: Sequence[FloatArray], move: FloatArray
) -> float:
    squares = [(render(code + move) - y).square().mean() for code, y in zip(codes, before, strict=True)]
    return float(torch.stack(squares).mean().sqrt())


def _strength_for(change_at: Callable[[float], float], *, start: float, target: float) -> float | None:
    """Strength whose change meets the target: secant steps, kept inside a shrinking bracket."""
    low, high = 0.0, LARGEST_STRENGTH
    strength = min(start, LARGEST_STRENGTH)
    change = 0.0
    for _ in range(MOST_TRIES):
        change = change_at(strength)
        if abs(change - target) <= TOLERANCE * target:
            return strength
        if change < target:
            low = strength
        else:
            high = strength
        guess = strength * float(np.clip(target / max(change, 1e-9), 0.2, 6.0))
        if not low < guess < high:
            guess = (low + high) / 2
        if high - low < 1e-3 * LARGEST_STRENGTH and low >= LARGEST_STRENGTH * 0.99:
            break
        strength = guess
    return strength if change >= target / 4 else None


def _rounded(strength: float) -> float:
    """Two significant digits: a slider's end need not be exact."""
    return float(f"{strength:.2g}")
