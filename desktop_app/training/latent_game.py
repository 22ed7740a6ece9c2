"""Keeps e4e codes where edits work: latent discriminator, delta regularisation, progressive rows.

Source: e4e (Tov et al., 2021); reference, section 6. The discriminator learns to tell rows of the
encoder's first answer from codes that the mapping network draws; the encoder learns to pass.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from desktop_app.engine.networks.latent_discriminator import LatentDiscriminator
from desktop_app.engine.networks.stylegan2 import Generator
from desktop_app.training.logistic import discriminator_loss, squared_slope

POOL_SIZE = 50
R1_EVERY = 16
R1_WEIGHT = 10.0
RATE = 2e-4  # the official 2e-5 is meant for ten times as many steps
FIRST_STAGE = 0.15  # share of a run with one w for all rows
LAST_STAGE = 0.5  # share of a run after which every row has its own difference


class ReplayPool:
    """Fifty earlier codes, of which half the answers are drawn (Shrivastava et al., 2017)."""

    def __init__(self) -> None:
        self.codes: list[Tensor] = []

    def exchange(self, codes: Tensor, random: torch.Generator) -> Tensor:
        """Codes (B, D) to show, some of them older ones that these replace."""
        shown = []
        for code in codes:
            if len(self.codes) < POOL_SIZE:
                self.codes.append(code.clone())
                shown.append(code)
            elif torch.rand(1, generator=random).item() < 0.5:
                place = int(torch.randint(POOL_SIZE, (1,), generator=random))
                shown.append(self.codes[place])
                self.codes[place] = code.clone()
            else:
                shown.append(code)
        return torch.stack(shown)


class LatentGame:
    """Discriminator, its optimiser and the pool.

    Args:
        generator: Its mapping network draws the real codes.
        random: Source of all draws.
    """

    def __init__(self, generator: Generator, random: torch.Generator) -> None:
        self.generator, self.random = generator, random
        self.device = generator.input.input.device
        self.discriminator = LatentDiscriminator(generator.style_dim).to(self.device)
        self.optimiser = torch.optim.Adam(self.discriminator.parameters(), lr=RATE)
        self.pool = ReplayPool()
        self.turns = 0

    def learn(self, first_answer: Tensor, stage: int) -> float:
        """One step of the discriminator on the first codes of a batch, (B, L, D); returns its loss."""
        count, _, size = first_answer.shape
        rows = torch.randint(stage + 1, (count,), generator=self.random)
        fake = self.pool.exchange(first_answer.detach()[torch.arange(count), rows], self.random)
        with torch.no_grad():
            real = self.generator.map_z(torch.randn(count, size, generator=self.random).to(self.device))
        penalise = self.turns % R1_EVERY == 0
        real.requires_grad_(penalise)
        score = self.discriminator(real)
        loss = discriminator_loss(score, self.discriminator(fake))
        total = loss
        if penalise:
            total = loss + 0.5 * R1_WEIGHT * R1_EVERY * squared_slope(score, real)
        self.optimiser.zero_grad()
        total.backward()
        self.optimiser.step()
        self.turns += 1
        return loss.item()

    def encoder_term(self, w_plus: Tensor, stage: int) -> Tensor:
        """How little the rows up to the stage look drawn: mean softplus(-D), a scalar."""
        self.discriminator.requires_grad_(False)
        scores = self.discriminator(w_plus[:, : stage + 1].flatten(0, 1))
        self.discriminator.requires_grad_(True)
        return F.softplus(-scores).mean()

    def state(self) -> dict[str, Any]:
        """Everything that a resumed run needs."""
        return {
            "discriminator": copy.deepcopy(self.discriminator.state_dict()),
            "optimiser": self.optimiser.state_dict(),
            "pool": list(self.pool.codes),
            "turns": self.turns,
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Take up a saved state; of a thin one the optimiser and the pool start afresh."""
        self.discriminator.load_state_dict(saved["discriminator"])
        if "optimiser" in saved:
            self.optimiser.load_state_dict(saved["optimiser"])
        self.pool.codes = [code.to(self.device) for code in saved.get("pool", ())]
        self.turns = int(saved["turns"])


def stage_at(fraction: float, rows: int) -> int:
    """How many rows may differ from the first, after a share of the run: 0 ... rows - 1."""
    inside = (fraction - FIRST_STAGE) / (LAST_STAGE - FIRST_STAGE)
    return min(max(int(inside * (rows - 1)) + (inside >= 0), 0), rows - 1)


def up_to_stage(residual: Tensor, stage: int) -> Tensor:
    """Rows beyond the stage repeat the first: (B, L, D) -> (B, L, D)."""
    first = residual[:, :1].expand(-1, residual.shape[1] - stage - 1, -1)
    return torch.cat([residual[:, : stage + 1], first], dim=1)


def delta_norms(w_plus: Tensor, stage: int) -> Tensor:
    """Sum over rows 1 ... stage of the mean distance to row 0, a scalar."""
    deltas = w_plus[:, 1 : stage + 1] - w_plus[:, :1]
    return (deltas.square().sum(dim=2) + 1e-8).sqrt().sum(dim=1).mean() if stage else w_plus.new_zeros(())
