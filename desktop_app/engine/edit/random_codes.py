"""Codes that the mapping network draws: random faces, truncated (reference, section 1)."""

from __future__ import annotations

import torch
from torch import Tensor

from desktop_app.engine.networks.stylegan2 import Generator, truncate

AVERAGED = 8_192  # draws behind the centre of truncation


@torch.no_grad()
def draw_codes(generator: Generator, count: int, *, psi: float = 0.7, seed: int = 0) -> Tensor:
    """Random W+ codes with equal rows, (count, L, D).

    Args:
        generator: Whose mapping network draws.
        count: How many.
        psi: Truncation, 0 (the average face) to 1 (as drawn).
        seed: Of the draw; the same seed gives the same first faces whatever the count.
    """
    random = torch.Generator().manual_seed(seed)
    z = torch.stack([torch.randn(generator.style_dim, generator=random) for _ in range(count)])
    centre = generator.mean_latent(AVERAGED, torch.Generator().manual_seed(0))
    device = generator.input.input.device
    drawn = torch.cat([generator.map_z(one) for one in z.to(device).split(1)])  # one by one: to the last bit
    return generator.repeat_w(truncate(drawn, centre, psi))
