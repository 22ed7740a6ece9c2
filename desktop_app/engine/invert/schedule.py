"""Learning rate and code noise over a projection, as functions of its course t in [0, 1].

Source: Karras et al., 2020, projection appendix; reference, section 7.
"""

from __future__ import annotations

import math

RAMP_DOWN = 0.25
RAMP_UP = 0.05
W_NOISE_RAMP = 0.75
W_NOISE_STRENGTH = 0.05


def learning_rate(t: float, base: float) -> float:
    """Linear rise over the first 5 %, cosine fall over the last 25 %."""
    ramp = min(1.0, (1.0 - t) / RAMP_DOWN)
    ramp = 0.5 - 0.5 * math.cos(ramp * math.pi)
    return base * ramp * min(1.0, t / RAMP_UP)


def w_noise_factor(t: float) -> float:
    """Share of the code noise that is left: quadratic fall to zero at 75 %."""
    return max(0.0, 1.0 - t / W_NOISE_RAMP) ** 2
