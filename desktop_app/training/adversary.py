"""The adversarial stage of generator training: discriminator, R1, feature matching, adaptive augmentation.

Non-saturating loss (Goodfellow et al., 2014), R1 on real pictures every 16th iteration (Mescheder et
al., 2018; Karras et al., 2020), feature matching (Larsen et al., 2016; Wang et al., 2018), and ADA
(`augment`). Half of the fake pictures are decoded from mixed codes: the rows from a random one on are
another face's (style mixing; Karras et al., 2019), so that no row relies on its neighbours.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from desktop_app.engine.networks.discriminator import Discriminator
from desktop_app.training.augment import AdaptiveProbability, augmented
from desktop_app.training.logistic import discriminator_loss, squared_slope

_log = logging.getLogger(__name__)

R1_EVERY = 16
# Twice StyleGAN2's rate, since runs here see thousands of pictures, not millions; R1's lazy form
# shortens it and the momentum (Karras et al., 2020, appendix B).
RATE = 4e-3 * R1_EVERY / (R1_EVERY + 1)
SECOND_MOMENT = 0.99 ** (R1_EVERY / (R1_EVERY + 1))


@dataclass(frozen=True, slots=True)
class AdversaryWeights:
    """Weights of the terms.

    Attributes:
        adversarial: Of the non-saturating term in the generator's loss.
        matching: Of feature matching there.
        r1: Of the gradient penalty in the discriminator's loss, half of which is used, as is usual.
        mixing: Share of iterations in which fake pictures of mixed codes are judged, too.
        adapts: Whether augmentation adapts; else there is none.
    """

    adversarial: float = 0.02
    matching: float = 0.5
    r1: float = 0.2
    mixing: float = 0.5
    adapts: bool = True


class Adversary:
    """Discriminator and all that belongs to it.

    Args:
        size: Pixels.
        channels: Feature maps by resolution.
        weights: Weights of the terms.
        random: Draws of augmentation and mixing.
        device: Where it lies.
        dtype: Precision of the discriminator's blocks; R1, a slope of a slope, stays in float32.
    """

    def __init__(
        self,
        size: int,
        channels: dict[int, int],
        *,
        weights: AdversaryWeights,
        random: torch.Generator,
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.weights = weights
        self.dtype = dtype
        self.network = Discriminator(size, channels).to(device)
        self.optimiser = torch.optim.Adam(
            self.network.parameters(), lr=RATE, betas=(0.0, SECOND_MOMENT), fused=True
        )
        self.chance = AdaptiveProbability()
        self._random = random
        self._iteration = 0
        self._mixed: Tensor | None = None

    def generator_terms(
        self, x: Tensor, y_hat: Tensor, *, codes: Tensor, decode: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, dict[str, float]]:
        """What the generator adds to its loss.

        Args:
            x: Real pictures.
            y_hat: Their reconstructions.
            codes: W+ codes of the reconstructions, (B, L, D).
            decode: Codes to pictures.
        """
        self.network.requires_grad_(False)
        state = self._random.get_state()
        with torch.no_grad():
            _, real_features = self._judged(x)
        self._random.set_state(state)  # both sides are changed alike, so that features can be compared
        score, features = self._judged(y_hat)
        matching = torch.stack(
            [
                (f - r).abs().mean() / r.abs().mean().clamp_min(1e-3)
                for f, r in zip(features, real_features, strict=True)
            ]
        ).mean()
        adversarial = nn.functional.softplus(-score).mean()
        self._mixed = None
        if torch.rand(1, generator=self._random).item() < self.weights.mixing:
            # as many as the discriminator will learn from
            mixed = decode(mixed_rows(codes, self._random)[len(codes) // 2 :])
            mixed_score, _ = self._judged(mixed)
            adversarial = (adversarial + nn.functional.softplus(-mixed_score).mean()) / 2
            self._mixed = mixed.detach()
        extra = self.weights.adversarial * adversarial + self.weights.matching * matching
        return extra, {"matching": matching.item(), "adversarial": adversarial.item()}

    def learn(self, x: Tensor, y_hat: Tensor) -> dict[str, float]:
        """One step of the discriminator on real and fake pictures, (B, 3, S, S) each, detached."""
        self.network.requires_grad_(True)
        penalises = self._iteration % R1_EVERY == 0
        self._iteration += 1
        real = x.clone().requires_grad_(penalises)
        real_score, _ = self._judged(real, torch.float32 if penalises else self.dtype)
        fake = y_hat
        if self._mixed is not None:
            fake = torch.cat([y_hat[: len(y_hat) - len(self._mixed)], self._mixed])
        fake_score, _ = self._judged(fake)
        loss = discriminator_loss(real_score, fake_score)
        total = loss
        if penalises:
            total = loss + 0.5 * self.weights.r1 * R1_EVERY * squared_slope(real_score, real)
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        self.optimiser.step()
        if self.weights.adapts:
            self.chance.observe(real_score)
        is_right = torch.cat([real_score > 0, fake_score < 0]).float().mean()
        return {"d_loss": loss.item(), "d_right": is_right.item(), "ada_p": self.chance.p}

    def _judged(self, x: Tensor, dtype: torch.dtype | None = None) -> tuple[Tensor, list[Tensor]]:
        """Scores and feature maps of pictures, augmented as it is the turn."""
        return self.network(augmented(x, self.chance.p, self._random), dtype or self.dtype)

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "chance": self.chance.state(),
            "iteration": self._iteration,
        }

    def restore(self, saved: dict[str, Any] | None) -> None:
        """From a checkpoint; one of before it had a discriminator of this kind leaves it untrained."""
        if saved is None:
            _log.warning("the checkpoint holds no discriminator of this kind; it starts untrained")
            return
        self.network.load_state_dict(saved["network"])
        if "optimiser" in saved:
            self.optimiser.load_state_dict(saved["optimiser"])
        self.chance.restore(saved["chance"])
        self._iteration = saved["iteration"]


def usual_r1(size: int, batch: int) -> float:
    """R1 weight for a picture size: 0.0002 size^2 / batch (Karras et al., 2020, automatic configuration).

    The slope is taken by pixel, and fewer pixels share what a score depends on: with one weight for all
    sizes a discriminator of small pictures is flattened and never learns.
    """
    return 2e-4 * size**2 / batch


def mixed_rows(codes: Tensor, random: torch.Generator) -> Tensor:
    """Style mixing: from a random row on, each code takes the rows of the next one, (B, L, D)."""
    first = int(torch.randint(1, codes.shape[1], (1,), generator=random))
    return torch.cat([codes[:, :first], codes.roll(1, dims=0)[:, first:]], dim=1)
