"""Fine-tuning of a generator whose codes stay: a second domain for bootstrapping, or a sharper first one.

Source of the idea: Toonify (Pinkney and Adler, 2020), which fine-tunes a generator and goes on using the
codes of its parent. Here the second domain has twins: what a filter makes of each photograph. The face
model inverts every training photograph once; the generator then learns to draw the twin from that code.
Without a filter the photograph is its own twin, and a texture term makes the generator draw finer detail.
The mapping network, the encoder and the average code stay as they are.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from desktop_app.core.types import Progress
from desktop_app.training.face_run import FaceRun, young_half_life
from desktop_app.training.faces import AlignedPictures, split_twins
from desktop_app.training.generator import CPU, crosses
from desktop_app.training.inversion_losses import band_energy, per_image_l2, reconstruction_loss
from desktop_app.training.latent_space import collect_codes
from desktop_app.training.restyle import load_autoencoder
from desktop_app.training.run_folder import Pace, RunFolder, cosine_rate

CHECKPOINT_EVERY = 2_000
SHEET_FACES = 8
CODE_STEPS = 3
WARM_UP = 500  # images within which the rate rises


@dataclass(frozen=True, slots=True)
class SecondDomainConfig:
    """Schedule of a fine-tuning.

    Attributes:
        filter: A filter of `training/toon.py`; empty: the photographs themselves.
        texture: Weight of the texture term, from here on also in the training of encoders.
        images: Pictures seen.
        batch: Pictures an iteration.
        rate: Highest learning rate of Adam; weights are equalised, near N(0, 1).
        code_noise: Standard deviation of the noise on codes.
        ema_images: Half-life of the averaged weights, in images.
        seed: Of sampling and noise.
    """

    filter: str = "toon"
    texture: float = 1.0
    images: int = 16_000
    batch: int = 16
    rate: float = 4e-3
    code_noise: float = 0.05
    ema_images: float = 1_500.0
    seed: int = 3


class SecondDomainTraining(FaceRun):
    """One run; its folder can be the `generator` of a ReStyle training, as any generator run.

    Args:
        config: Schedule.
        source: Run of the face model, whose encoder inverts the photographs.
        data: Folder of aligned pictures.
        run: Where checkpoint, statistics and sheets go.
        device: Where the networks are trained.
        compile_networks: Use torch.compile.

    Raises:
        UserInputError: There is no such filter or no such run.
    """

    def __init__(
        self,
        config: SecondDomainConfig,
        source: RunFolder,
        data: Path,
        run: RunFolder,
        *,
        device: torch.device = CPU,
        compile_networks: bool = False,
    ) -> None:
        torch.manual_seed(config.seed)
        first, model = load_autoencoder(source)
        self.generator_config = replace(first, filter=config.filter, texture=config.texture)
        super().__init__(
            run,
            model,
            config=self.generator_config,
            data=data,
            seed=config.seed,
            device=device,
            compile_networks=compile_networks,
        )
        self.config = config
        self.source_model = copy.deepcopy(self.average)
        self.model.encoder.requires_grad_(False)
        self.model.generator.style.requires_grad_(False)
        pictures = AlignedPictures(data, "train", size=first.size, filter_name=config.filter)
        self.left_out += pictures.left_out
        self.photos, self.twins = split_twins(pictures.everything())
        self.weights = pictures.equal_weights()
        trained = [p for p in self.model.generator.parameters() if p.requires_grad]
        self.optimiser = torch.optim.Adam(trained, lr=config.rate, betas=(0.9, 0.99))
        self.seen = 0
        self.codes: Tensor | None = None

    def train(self) -> Iterator[Progress]:
        """Invert the photographs once, then train to the end; yields after every batch."""
        if self.codes is None:
            yield from self._invert()
        pace = Pace(self.seen, self.config.images)
        while self.seen < self.config.images:
            stats = self._batch()
            before = self.seen
            self.seen += self.config.batch
            self.run.log({"images": self.seen, **stats})
            if crosses(before, self.seen, CHECKPOINT_EVERY):
                self.save()
            yield pace.progress(self.seen, f"L2 {stats['l2']:.4f}")
        self.evaluate()
        self.save()

    def _invert(self) -> Iterator[Progress]:
        """Codes of all photographs, and of their mirror images behind them."""
        pace = Pace(0, 2 * len(self.photos))
        parts: list[Tensor] = []
        for pictures in (self.photos, self.photos.flip(3)):
            for part in collect_codes(self.source_model, pictures, steps=CODE_STEPS):
                parts.append(part.cpu())
                yield pace.progress(sum(map(len, parts)), "inverting the photographs")
        self.codes = torch.cat(parts)

    def _batch(self) -> dict[str, float]:
        config = self.config
        assert self.codes is not None
        rate = config.rate * cosine_rate(self.seen / config.images)
        rate *= min(1.0, (self.seen - self._fresh_since + 1) / WARM_UP)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        chosen = torch.multinomial(self.weights, config.batch, replacement=True, generator=self.random)
        mirrored = torch.rand(config.batch, generator=self.random) < 0.5
        twin = self.twins[chosen]
        twin = torch.where(mirrored[:, None, None, None], twin.flip(3), twin)
        codes = self.codes[chosen + mirrored * len(self.photos)]
        codes = codes + torch.randn(codes.shape, generator=self.random) * config.code_noise
        twin, codes = twin.to(self.device), codes.to(self.device)
        drawn = self._decode(codes)
        loss = reconstruction_loss(drawn, twin, texture=config.texture)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.generator.parameters(), 10.0)
        self.optimiser.step()
        half_life = young_half_life(config.ema_images, self.seen)
        self._average_follows(config.batch, half_life, part="generator")
        return {"loss": loss.item(), "l2": per_image_l2(drawn.detach(), twin).mean().item()}

    def evaluate(self) -> float:
        """L2 to the twins of held-out people, from the face model's codes, and a sheet; returns the mean."""
        codes = torch.cat(list(collect_codes(self.source_model, self.held_out, steps=CODE_STEPS)))
        with torch.no_grad():
            drawn = torch.cat([self.average.decode(part).cpu() for part in torch.split(codes, 50)])
        error = float(per_image_l2(drawn, self.held_out_targets).mean())
        n = SHEET_FACES
        self.run.sheet("val_twins.png", [self.held_out[:n], self.held_out_targets[:n], drawn[:n]])
        detail = band_energy(drawn).mean() / band_energy(self.held_out_targets).mean()
        self.run.note(
            {
                "images": self.seen,
                "val_l2_of_face_codes": round(error, 5),
                "fine detail, share of the photos'": round(float(detail), 3),
            }
        )
        return error

    def save(self) -> None:
        """Write a checkpoint that restores everything."""
        state: dict[str, Any] = {
            **self._shared_state(),
            "config": asdict(self.config),
            "generator_config": asdict(self.generator_config),
            "seen": self.seen,
            "optimiser": self.optimiser.state_dict(),
            "codes": self.codes,
        }
        self.run.save(state)

    def restore(self) -> bool:
        """Continue from the run's checkpoint; False when there is none."""
        saved = self.run.load()
        if saved is None:
            return False
        self.seen, self.codes = saved["seen"], saved.get("codes")
        if self._restore_shared(saved, done=self.seen, seed=self.config.seed):
            self.optimiser.load_state_dict(saved["optimiser"])
        return True
