"""Training of a photo encoder without labels: views of one picture are alike, other pictures are not."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from desktop_app.core.errors import AppError, UserInputError, WeightsError
from desktop_app.core.types import Progress
from desktop_app.engine.embed.photo_encoder import ARCHITECTURE, PhotoEncoder, calibrate
from desktop_app.engine.embed.tower import ARCHITECTURE as TOWER
from desktop_app.engine.embed.tower import TowerEncoder
from desktop_app.engine.networks.contrastive_heads import ProjectionHead, pool_stages
from desktop_app.engine.networks.resnet_small import ResNetShape
from desktop_app.engine.weights.store import ModelCard, ModelStore, load_strict, write_model
from desktop_app.training.alike import AlikeSets
from desktop_app.training.config import (
    BUILTIN_NETWORK,
    ContrastiveConfig,
    EncoderConfig,
    Similarity,
    check_choices,
    config_from_dict,
    config_to_dict,
)
from desktop_app.training.datasets import EpochOrder, SmallPictures
from desktop_app.training.losses import alignment, uniformity
from desktop_app.training.objectives import Objective, PairBatch
from desktop_app.training.precision import wants_bfloat16
from desktop_app.training.run_folder import Pace, RunFolder, cosine_rate
from desktop_app.training.views import draw_views

_log = logging.getLogger(__name__)

CHECKPOINT_EVERY_S = 120.0
LOG_EVERY = 20
CALIBRATION_PICTURES = 6144
# Projections of one batch whose mean spread falls below this share of an even spread have collapsed.
COLLAPSE_SHARE = 0.05


class ContrastiveNetwork(nn.Module):
    """Backbone and projection head, as trained.

    Args:
        config: Sizes.
    """

    def __init__(self, config: ContrastiveConfig) -> None:
        super().__init__()
        self.encoder: PhotoEncoder | TowerEncoder
        if config.encoder.network == BUILTIN_NETWORK:
            shape = ResNetShape(config.encoder.widths, config.encoder.blocks)
            self.encoder = PhotoEncoder(shape, config.encoder.embedding())
            features = shape.features
        else:
            self.encoder = TowerEncoder(config.encoder.network)
            features = self.encoder.size
        self.projection_head = ProjectionHead(features, hidden=config.head_hidden, out=config.head_out)

    def project(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> projections (B, P) of any length."""
        x = x.contiguous(memory_format=torch.channels_last)
        if isinstance(self.encoder, PhotoEncoder):
            pooled = pool_stages(self.encoder.backbone(x), power=1.0)
        else:
            pooled = self.encoder(x)
        projection: Tensor = self.projection_head.layers(pooled)
        return projection

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> projections (B, P), unit length."""
        return F.normalize(self.project(x), dim=1)


class ContrastiveTraining:
    """One run: state, step, checkpoint, and the model made of it.

    Args:
        config: All choices.
        pictures: What is trained on.
        run: Where checkpoint and statistics go.
        alike: Which pictures belong together; None: each is alike to itself only.
        start: Folder of published weights to begin with, for a network of another library.
    """

    def __init__(
        self,
        config: ContrastiveConfig,
        pictures: SmallPictures,
        run: RunFolder,
        *,
        alike: AlikeSets | None = None,
        start: Path | None = None,
    ) -> None:
        check_choices(config)
        torch.manual_seed(config.seed)
        self.config = config
        self.run = run
        self.pictures = pictures
        self.order = EpochOrder(len(pictures), batch=config.batch, seed=config.seed)
        self.alike = alike if alike is not None else AlikeSets(torch.arange(len(pictures)))
        self.network = ContrastiveNetwork(config).to(memory_format=torch.channels_last)
        self.has_start = False
        if start is not None and isinstance(self.network.encoder, TowerEncoder):
            self.has_start = self.network.encoder.start_from(start)
        self.slow: ContrastiveNetwork | None = None
        if config.has_teacher:
            self.slow = copy.deepcopy(self.network).requires_grad_(False)
        self.objective = Objective(config)
        self.optimiser = torch.optim.AdamW(
            _groups(nn.ModuleList([self.network, self.objective]), config.weight_decay),
            lr=config.rate,
            fused=True,
        )
        self.random = torch.Generator().manual_seed(config.seed)
        self.step = 0
        self.seconds = 0.0
        self._is_bf16 = wants_bfloat16(config.precision)

    @property
    def seen(self) -> int:
        """Pictures seen so far."""
        return self.step * self.order.batch

    def steps(self) -> Generator[Progress, None, None]:
        """Train to the end; yields after every step, and saves when it is closed early."""
        pace = Pace(self.seen, self.config.images)
        sums: dict[str, float] = {}
        saved_at = time.monotonic()
        self.network.train()
        self.objective.train()
        try:
            while self.seen < self.config.images:
                began = time.monotonic()
                stats = self._step()
                self.step += 1
                self.seconds += time.monotonic() - began
                sums = {key: sums.get(key, 0.0) + value / LOG_EVERY for key, value in stats.items()}
                if self.step % LOG_EVERY == 0:
                    self._log(sums)
                    sums = {}
                if time.monotonic() - saved_at > CHECKPOINT_EVERY_S:
                    self.save()
                    saved_at = time.monotonic()
                yield pace.progress(self.seen, f"Training, loss {stats['loss']:.3f}")
        except GeneratorExit:
            self.save()
            raise
        self.save()

    def save(self) -> None:
        """Write a checkpoint that restores everything."""
        self.run.save(
            {
                "config": config_to_dict(self.config),
                "pictures": len(self.pictures),
                "step": self.step,
                "seconds": self.seconds,
                "network": self.network.state_dict(),
                "slow": self.slow.state_dict() if self.slow is not None else None,
                "objective": self.objective.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "random": self.random.get_state(),
            }
        )

    def restore(self) -> bool:
        """Continue from the run's checkpoint; False when there is none.

        Raises:
            UserInputError: The checkpoint is of another configuration or of other pictures.
        """
        saved = self.run.load()
        if saved is None:
            return False
        theirs = _unchanging(config_from_dict(saved["config"]))
        if theirs != _unchanging(self.config) or saved["pictures"] != len(self.pictures):
            raise UserInputError(
                "The run was started with other choices or other pictures.",
                "Give the same ones, or choose another folder for the run.",
            )
        self.step, self.seconds = saved["step"], saved["seconds"]
        self.network.load_state_dict(saved["network"])
        if self.slow is not None:
            self.slow.load_state_dict(saved["slow"])
        if "queue" in saved:  # written before the objective had a state of its own
            self.objective.load_state_dict({"queue": saved["queue"]} if self.slow is not None else {})
        else:
            self.objective.load_state_dict(saved["objective"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.random.set_state(saved["random"])
        return True

    def start_from(self, store: ModelStore, name: str) -> None:
        """Begin with the backbone of a published model of the built-in network; the head starts anew.

        Raises:
            WeightsError: There is no such model, or its network is another.
        """
        encoder = self.network.encoder
        card = store.card(name)
        if not isinstance(encoder, PhotoEncoder) or card.architecture != ARCHITECTURE:
            raise WeightsError(f"The training cannot begin with '{name}': its network is another.")
        below = "backbone."
        tensors = {k[len(below) :]: v for k, v in store.tensors(card).items() if k.startswith(below)}
        load_strict(encoder.backbone, tensors, what=f"the backbone of '{name}'")
        if self.slow is not None:
            self.slow.load_state_dict(self.network.state_dict())

    def _step(self) -> dict[str, float]:
        rate = self._set_rate()
        first, second, kinds = self._views()
        with torch.autocast("cpu", torch.bfloat16, enabled=self._is_bf16):
            batch = self._projections(first, second, kinds)
            loss = self.objective(batch)
        if not torch.isfinite(loss):
            raise AppError(
                "The training diverged: the loss is no number.", "Start again with a lower --rate."
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self._follow(batch.key.detach())
        with torch.no_grad():
            query, key = F.normalize(batch.query.detach(), dim=1), F.normalize(batch.key.detach(), dim=1)
            nearest = kinds[(query @ key.T).argmax(dim=1)] == kinds
            return {
                "loss": loss.item(),
                "hit": nearest.float().mean().item(),
                "alignment": alignment(query, key).item(),
                "uniformity": uniformity(query).item(),
                "spread": query.std(dim=0).mean().item() * query.shape[1] ** 0.5,
                "rate": rate,
            }

    def _views(self) -> tuple[Tensor, Tensor, Tensor]:
        """Two views of the next pictures, the second of an alike one, and the sets of the pictures."""
        rows = self.order.rows(self.step)
        if self.config.view_weight:
            rows = self._beside_another(rows)
        size, views = self.view_px, self.config.views
        if self.config.similarity is Similarity.CROPS:
            views = replace(views, brightness=0.0, contrast=0.0, saturation=0.0, grey=0.0)
        others = rows
        if not self.config.view_weight and self.config.similarity not in (
            Similarity.VIEWS,
            Similarity.CROPS,
        ):
            others = self.alike.partners(rows, self.random)
        drawn = []
        for chosen in (rows, others):
            pictures, side_ratio = self.pictures.chosen(chosen)
            drawn.append(draw_views(pictures, side_ratio, size=size, config=views, generator=self.random))
        return drawn[0], drawn[1], self.alike.kinds[rows]

    def _beside_another(self, rows: Tensor) -> Tensor:
        """The second half of a batch gives way to others of the sets of the first, where there are any."""
        half = len(rows) // 2
        first, second = rows[:half], rows[half : 2 * half]
        partners = self.alike.partners(first, self.random)
        return torch.cat([first, torch.where(partners == first, second, partners), rows[2 * half :]])

    @property
    def view_px(self) -> int:
        """Side of a training view; a network of another library brings its own."""
        encoder = self.network.encoder
        return encoder.input_px if isinstance(encoder, TowerEncoder) else self.config.encoder.view_px

    def _projections(self, first: Tensor, second: Tensor, kinds: Tensor) -> PairBatch:
        """What the network, or the network and its slow copy, make of two views of a batch."""
        if self.slow is None:
            query, key = self.network.project(torch.cat([first, second])).float().chunk(2)
            return PairBatch(query, key, kinds)
        with torch.no_grad():
            key = self.slow.project(second).float()
        return PairBatch(self.network.project(first).float(), key, kinds)

    def _follow(self, key: Tensor) -> None:
        """The slow copy moves along, and what the objective remembers."""
        if self.slow is not None:
            with torch.no_grad():
                for slow, fast in zip(self.slow.parameters(), self.network.parameters(), strict=True):
                    slow.lerp_(fast, 1.0 - self.config.momentum)
        self.objective.follow(key)

    def _set_rate(self) -> float:
        config = self.config
        warm = min(1.0, (self.seen + self.order.batch) / max(config.warmup_images, 1))
        rate = config.rate * warm * cosine_rate(self.seen / config.images, floor=0.01)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        return rate

    def _log(self, means: dict[str, float]) -> None:
        self.run.log({"images": self.seen, "images_per_s": self.seen / max(self.seconds, 1e-9), **means})
        if means["spread"] < COLLAPSE_SHARE:
            _log.warning("the projections have collapsed to a point (spread %.3f)", means["spread"])

    # --- the model -----------------------------------------------------------------------------------

    def finish(self) -> PhotoEncoder | TowerEncoder:
        """The encoder for use: statistics of unchanged pictures in its norms, whitening learned."""
        encoder = copy.deepcopy(self.network.encoder)
        if isinstance(encoder, TowerEncoder):
            return encoder.eval().requires_grad_(False)
        picked = torch.randperm(len(self.pictures), generator=torch.Generator().manual_seed(self.config.seed))
        batches = picked[:CALIBRATION_PICTURES].split(self.order.batch)
        size = self.config.encoder.input_px
        pictures = [_whole_pictures(self.pictures, rows, size) for rows in batches]
        calibrate(encoder, pictures, whiten_power=self.config.encoder.whiten_power)
        return encoder.requires_grad_(False)


@dataclass(frozen=True, slots=True)
class ModelWords:
    """What a person reads on the card of a trained model.

    Attributes:
        name: Name of the model and of its files.
        folder: Where the files go.
        title: One line.
        licence: Of the weights.
        sources: What it was trained on.
    """

    name: str
    folder: Path
    title: str
    licence: str
    sources: str


def write_encoder(training: ContrastiveTraining, words: ModelWords) -> ModelCard:
    """Finish a training and write its model: card and weights.

    Raises:
        ResourceError: The files cannot be written.
    """
    encoder = training.finish()
    choices = training.config
    config, described = _card_config(encoder, choices.encoder)
    facts = {
        "embedding": described,
        "trained on": f"{len(training.pictures)} pictures, {training.seen} pairs",
        "training time": f"{training.seconds / 60:.0f} minutes",
        "alike": f"{choices.similarity} ({training.alike.shared} pictures share their set with another)"
        if training.alike.shared
        else choices.similarity.value,
        "negatives": choices.dissimilarity.value,
        "loss": choices.loss.value,
    }
    card = ModelCard(
        name=words.name,
        role="encoder",
        architecture=ARCHITECTURE if isinstance(encoder, PhotoEncoder) else TOWER,
        config=config,
        title=words.title,
        licence=words.licence,
        sources=words.sources,
        sha256="",
        bytes=0,
        facts=facts,
        folder=words.folder,
    )
    return write_model(card, encoder.state_dict())


def _card_config(encoder: PhotoEncoder | TowerEncoder, choices: EncoderConfig) -> tuple[dict[str, Any], str]:
    """What rebuilds the network, and its embedding in words."""
    if isinstance(encoder, TowerEncoder):
        described = f"{encoder.size} numbers from {encoder.input_px} x {encoder.input_px} pixels"
        return {"network": encoder.name}, described
    described = f"{choices.embedding_size} numbers from {choices.input_px} x {choices.input_px} pixels"
    config = {
        "widths": list(choices.widths),
        "blocks": list(choices.blocks),
        "input_px": choices.input_px,
        "pool_power": choices.pool_power,
        "embedding_size": choices.embedding_size,
        "colour_size": choices.colour_size,
        "colour_weight": choices.colour_weight,
    }
    return config, described


def _unchanging(config: ContrastiveConfig) -> tuple[object, ...]:
    """What may not change when a run is continued; rates, views and the length of the run may."""
    encoder = config.encoder
    return (
        (encoder.network, encoder.widths, encoder.blocks),
        (config.head_hidden, config.head_out, config.head, config.prototypes),
        (config.loss, config.similarity, config.view_weight),
        (config.dissimilarity, config.queue, config.batch, config.seed),
    )


def _groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels, none for norms and biases."""
    wide = [p for p in network.parameters() if p.ndim > 1]
    narrow = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": wide, "weight_decay": weight_decay}, {"params": narrow, "weight_decay": 0.0}]


def _whole_pictures(pictures: SmallPictures, rows: Tensor, size: int) -> Tensor:
    """Pictures as the application will show them to the encoder: (B, 3, size, size) in [-1, 1]."""
    stored, _ = pictures.chosen(rows)
    wide = stored.float().div_(127.5).sub_(1.0)
    if wide.shape[-1] == size:
        return wide
    return F.interpolate(wide, (size, size), mode="bilinear", antialias=True, align_corners=False)
