"""ReStyle encoder training on a fixed generator, and its one-pass twin for comparison.

Source: ReStyle (Alaluf et al., 2021); reference, section 6: N passes over a batch, image and code
detached between passes. Differences, for small budgets on a CPU: the optimiser moves after every
pass instead of after N; batch normalisation keeps the statistics of the start encoder, because each
pass sees other inputs; and a hinge asks every pass to be no worse than the one before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import Progress
from desktop_app.training.checkpoint_parts import warmth
from desktop_app.training.face_run import FaceRun
from desktop_app.training.faces import AlignedPictures, Jitter
from desktop_app.training.generator import (
    CPU,
    FaceAutoencoder,
    GeneratorConfig,
    crosses,
    generator_config,
    step_errors,
)
from desktop_app.training.inversion_kinds import Kind, of_kind
from desktop_app.training.inversion_losses import per_image_l2, reconstruction_loss
from desktop_app.training.latent_game import LatentGame, delta_norms, stage_at, up_to_stage
from desktop_app.training.precision import training_dtype
from desktop_app.training.run_folder import Pace, RunFolder, cosine_rate
from desktop_app.training.similarity_term import Similarity

EVALUATE_EVERY = 8_000  # passes over a picture
CHECKPOINT_EVERY = 4_000
SHEET_FACES = 8
CHOSEN_BY = 64  # pictures by which an e4e encoder's first block is chosen


@dataclass(frozen=True, slots=True)
class RestyleConfig:
    """Schedule of a ReStyle run.

    Attributes:
        kind: What the encoder answers with; a one-pass encoder needs `steps` of 1.
        steps: Passes N over each batch.
        passes: Pictures times passes in all, so that runs with different N cost the same.
        batch: Pictures a batch.
        rate: Highest learning rate of Adam.
        worse_weight: Weight of the hinge on passes that are worse than the one before.
        code_penalty: Weight of the mean squared distance of the code from `w_avg`.
        delta_weight: e4e: weight of the distances of the rows to the first.
        latent_weight: e4e: weight of the latent discriminator's term.
        similarity_model: Contrastive encoder whose embeddings of photo and reconstruction should agree
            (the identity or MoCo term); empty: none.
        similarity_weight: Weight of 1 - cosine.
        similarity_from: Share of the run after which that term begins; it costs as much as a pass.
        ema_passes: Half-life of the averaged weights.
        filter: A filter of `training/toon.py` that says what should come out for a photograph; empty: the
            generator run's.
        seed: Seed of sampling.
    """

    kind: Kind = Kind.PSP
    steps: int = 5
    passes: int = 60_000
    batch: int = 16
    rate: float = 5e-4
    worse_weight: float = 1.0
    code_penalty: float = 1e-3
    delta_weight: float = 2e-4
    latent_weight: float = 0.1
    similarity_model: str = ""
    similarity_weight: float = 0.1
    similarity_from: float = 0.7
    ema_passes: float = 4_000.0
    filter: str = ""
    seed: int = 2


class RestyleTraining(FaceRun):
    """One run.

    Args:
        config: Schedule.
        generator_run: Folder of the generator run whose averaged networks are the start.
        data: Folder of aligned pictures.
        run: Where checkpoint, statistics and sheets go.
        similarity: The encoder that `config.similarity_model` names.
        device: Where the networks are trained.
        compile_networks: Use torch.compile.

    Raises:
        UserInputError: The kind and the number of steps do not go together, or there is no generator.
    """

    def __init__(
        self,
        config: RestyleConfig,
        generator_run: RunFolder,
        data: Path,
        run: RunFolder,
        *,
        similarity: Similarity | None = None,
        device: torch.device = CPU,
        compile_networks: bool = False,
    ) -> None:
        if config.kind is Kind.ONE_PASS and config.steps != 1:
            raise UserInputError("A one-pass encoder has one step.", "Give --steps 1.")
        torch.manual_seed(config.seed)
        begun, model = load_autoencoder(generator_run)
        begun = replace(begun, filter=config.filter or begun.filter)
        self.train_set = AlignedPictures(data, "train", size=begun.size, filter_name=begun.filter)
        self.generator_config, model = of_kind(begun, model, config.kind, self.train_set.fixed(CHOSEN_BY))
        super().__init__(
            run,
            model,
            config=self.generator_config,
            data=data,
            seed=config.seed,
            device=device,
            compile_networks=compile_networks,
        )
        self.left_out += self.train_set.left_out
        self.config = config
        self.model.generator.requires_grad_(False)
        self.optimiser = torch.optim.Adam(
            self.model.encoder.parameters(), lr=config.rate, betas=(0.9, 0.99), fused=True
        )
        self.game = LatentGame(self.model.generator, self.random) if config.kind is Kind.E4E else None
        self.similarity = similarity
        if similarity is not None:
            similarity.encoder.to(device)
        self.done = 0
        self.jitter = Jitter()
        self._start_image, _ = self.model.start(1)

    def train(self) -> Iterator[Progress]:
        """Train to the end; yields after every batch."""
        pace = Pace(self.done, self.config.passes)
        self.model.encoder.eval()  # batch normalisation keeps its statistics
        while self.done < self.config.passes:
            stats = self._batch()
            before = self.done
            self.done += self.config.batch * self.config.steps
            self.run.log({"passes": self.done, **stats})
            if crosses(before, self.done, CHECKPOINT_EVERY):
                self.save()
            if crosses(before, self.done, EVALUATE_EVERY) or self.done >= self.config.passes:
                self.evaluate()
            yield pace.progress(self.done, f"L2 {stats[f'l2_{self.config.steps}']:.4f}")
        self.save()

    def _batch(self) -> dict[str, float]:
        for group in self.optimiser.param_groups:
            warm = warmth(self.done, self._fresh_since, 1)
            group["lr"] = self.config.rate * warm * cosine_rate(self.done / self.config.passes)
        pairs = self.train_set.pairs(self.config.batch, self.jitter, self.random)
        x, target = (one.to(self.device) for one in pairs)
        y_hat = self._start_image.expand_as(x)
        w_plus = self.model.w_avg.expand(len(x), self.model.generator.n_latent, -1)
        l2_before: Tensor | None = None
        stats: dict[str, float] = {}
        stage = self._stage()
        for step in range(1, self.config.steps + 1):
            w_next = w_plus + up_to_stage(self._encode(x, y_hat), stage)
            y_next = self._decode(w_next)
            l2 = per_image_l2(y_next, target)
            loss = reconstruction_loss(y_next, target, texture=self.generator_config.texture)
            loss = loss + self._code_terms(w_next, stage)
            if l2_before is not None:
                loss = loss + self.config.worse_weight * (l2 - l2_before).clamp_min(0).mean()
            if self.similarity is not None and self.done >= self.config.similarity_from * self.config.passes:
                loss = loss + self.config.similarity_weight * self.similarity.distance(y_next, target)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.encoder.parameters(), 5.0)
            self.optimiser.step()
            self._average_follows(self.config.batch, self.config.ema_passes, part="encoder")
            if self.game is not None and step == 1:
                stats["d_loss"] = self.game.learn(w_next, stage)
            y_hat, w_plus, l2_before = y_next.detach(), w_next.detach(), l2.detach()
            stats[f"l2_{step}"] = l2_before.mean().item()
        return stats

    def _stage(self) -> int:
        """How many rows may differ from the first: all of them, but for e4e in the beginning."""
        rows = self.model.generator.n_latent
        return stage_at(self.done / self.config.passes, rows) if self.game is not None else rows - 1

    def _code_terms(self, w_plus: Tensor, stage: int) -> Tensor:
        """What keeps codes near the average, and those of e4e near drawn ones."""
        config = self.config
        term = config.code_penalty * (w_plus - self.model.w_avg).square().mean()
        if self.game is not None:
            term = term + config.delta_weight * delta_norms(w_plus, stage)
            term = term + config.latent_weight * self.game.encoder_term(w_plus, stage)
        return term

    def evaluate(self) -> Tensor:
        """L2 of every step on held-out people, noted with a picture sheet; returns the means."""
        steps = max(self.config.steps, 5)
        errors, _ = step_errors(self.average, self.held_out, steps, targets=self.held_out_targets)
        means = errors.mean(dim=0)
        shown = self.held_out[:SHEET_FACES]
        rows = [shown] + [step_errors(self.average, shown, n)[1] for n in (1, 2, self.config.steps)]
        self.run.sheet(f"val_{self.done:07d}.png", rows)
        self.run.note(
            {"passes": self.done, **{f"val_l2_step{i + 1}": round(m.item(), 5) for i, m in enumerate(means)}}
        )
        return means

    def save(self) -> None:
        """Write a checkpoint that restores everything."""
        self.run.save(
            {
                **self._shared_state(),
                "config": {**asdict(self.config), "kind": self.config.kind.value},
                "generator_config": asdict(self.generator_config),
                "done": self.done,
                "optimiser": self.optimiser.state_dict(),
                "game": self.game.state() if self.game is not None else None,
            }
        )

    def restore(self) -> bool:
        """Continue from the run's checkpoint; False when there is none."""
        saved = self.run.load()
        if saved is None:
            return False
        self.done = saved["done"]
        if self.game is not None and saved.get("game"):
            self.game.restore(saved["game"])
        if self._restore_shared(saved, done=self.done, seed=self.config.seed):
            self.optimiser.load_state_dict(saved["optimiser"])
        return True


def load_autoencoder(run: RunFolder) -> tuple[GeneratorConfig, FaceAutoencoder]:
    """The averaged networks of a generator or ReStyle run.

    Raises:
        UserInputError: The folder holds no checkpoint.
    """
    saved = run.load()
    if saved is None:
        raise UserInputError(f"There is no checkpoint in {run.folder}.", "Train a generator first.")
    config = generator_config(saved.get("generator_config", saved["config"]))
    model = FaceAutoencoder(config)
    model.load_state_dict(saved["average"])
    model.dtype = training_dtype(config.precision)
    return config, model
