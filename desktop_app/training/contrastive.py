"""Training of a photo encoder by comparing: what counts as alike comes together, the rest stays apart."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from desktop_app.core.errors import AppError, UserInputError, WeightsError
from desktop_app.core.types import Progress
from desktop_app.engine.embed.face_encoder import ARCHITECTURE as FACE
from desktop_app.engine.embed.face_encoder import ROLE as FACE_ROLE
from desktop_app.engine.embed.face_encoder import FaceEncoder, calibrate_faces
from desktop_app.engine.embed.photo_encoder import ARCHITECTURE, PhotoEncoder, calibrate
from desktop_app.engine.embed.tower import ARCHITECTURE as TOWER
from desktop_app.engine.embed.tower import TowerEncoder
from desktop_app.engine.networks.contrastive_heads import ProjectionHead, pool_stages
from desktop_app.engine.networks.resnet_small import ResNetShape
from desktop_app.engine.weights.compact import pack
from desktop_app.engine.weights.store import ModelCard, ModelStore, load_strict, write_model
from desktop_app.training.alike import AlikeSets
from desktop_app.training.checkpoint_parts import is_thin, reseeded, warmth
from desktop_app.training.config import (
    BUILTIN_NETWORK,
    FACE_NETWORK,
    ContrastiveConfig,
    EncoderConfig,
    Similarity,
    check_choices,
    config_from_dict,
    config_to_dict,
)
from desktop_app.training.datasets import EpochOrder, SmallPictures
from desktop_app.training.discriminant import discriminant
from desktop_app.training.face_views import draw_face_views
from desktop_app.training.losses import alignment, uniformity
from desktop_app.training.objectives import Objective, PairBatch
from desktop_app.training.optimisers import make_optimisers
from desktop_app.training.precision import wants_bfloat16
from desktop_app.training.run_folder import Pace, RunFolder, cosine_rate
from desktop_app.training.set_order import SetOrder
from desktop_app.training.views import draw_views

_log = logging.getLogger(__name__)

CHECKPOINT_EVERY_S = 120.0
LOG_EVERY = 20
CALIBRATION_PICTURES = 6144
# Projections of one batch whose mean spread falls below this share of an even spread have collapsed.
COLLAPSE_SHARE = 0.05
_ADOPTED = (
    "input_px", "pool_power", "embedding_size", "colour_size", "colour_weight", "class_size", "class_weight",
    "learned_stages", "class_head_size",
)  # fmt: skip
# The average of the weights forgets the first steps sooner.
_AVERAGE_START = 20


AnyEncoder = PhotoEncoder | FaceEncoder | TowerEncoder


class ContrastiveNetwork(nn.Module):
    """Backbone and projection head, as trained.

    Args:
        config: Sizes.
    """

    def __init__(self, config: ContrastiveConfig) -> None:
        super().__init__()
        self.encoder: AnyEncoder
        shape = ResNetShape(config.encoder.widths, config.encoder.blocks)
        if config.encoder.network == FACE_NETWORK:
            self.encoder = FaceEncoder(shape, config.encoder.face)
            features = self.encoder.feature_size
        elif config.encoder.network == BUILTIN_NETWORK:
            self.encoder = PhotoEncoder(shape, config.encoder.embedding())
            features = self.encoder.embedding.learned_features(shape)
        else:
            self.encoder = TowerEncoder(config.encoder.network)
            features = self.encoder.size
        self.projection_head = ProjectionHead(features, hidden=config.head_hidden, out=config.head_out)

    def project(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> projections (B, P) of any length."""
        return self.project_both(x)[0]

    def project_both(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Projections of any length, and of unit length those of the head for what is alike, if any."""
        x = x.contiguous(memory_format=torch.channels_last)
        kinds = None
        if isinstance(self.encoder, FaceEncoder):
            pooled = self.encoder.features(self.encoder.inner_face(x))
        elif isinstance(self.encoder, PhotoEncoder):
            maps = self.encoder.backbone(x)
            embedding = self.encoder.embedding
            pooled = pool_stages(maps[: embedding.learned_stages or None], power=1.0)
            if embedding.class_size:
                kinds = self.encoder.class_head(pool_stages(maps, power=1.0))
        else:
            pooled = self.encoder(x)
        projection: Tensor = self.projection_head.layers(pooled)
        return projection, kinds

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
        self.alike = alike if alike is not None else AlikeSets(torch.arange(len(pictures)))
        self.order = _order(config, self.alike)
        self.network = ContrastiveNetwork(config).to(memory_format=torch.channels_last)
        if isinstance(self.network.encoder, PhotoEncoder):
            for part in self.network.encoder.backbone.first_parts(config.frozen_stages):
                part.requires_grad_(False)
        self.has_start = False
        if start is not None and isinstance(self.network.encoder, TowerEncoder):
            self.has_start = self.network.encoder.start_from(start)
        self.slow: ContrastiveNetwork | None = None
        if config.has_teacher:
            self.slow = copy.deepcopy(self.network).requires_grad_(False)
        self.average: ContrastiveNetwork | None = None
        if config.average:
            self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.objective = Objective(config)
        self.optimisers = make_optimisers(nn.ModuleList([self.network, self.objective]), config)
        self.random = torch.Generator().manual_seed(config.seed)
        self.step = 0
        self.seconds = 0.0
        self._fresh_since = 0  # pictures at which the optimisers started
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
                "average": self.average.state_dict() if self.average is not None else None,
                "objective": self.objective.state_dict(),
                "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
                "random": self.random.get_state(),
                "fresh_since": self._fresh_since,
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
        _take(self.network, saved["network"])
        if self.slow is not None:
            _take(self.slow, saved["slow"])
        if "queue" in saved:  # written before the objective had a state of its own
            self.objective.load_state_dict({"queue": saved["queue"]} if self.slow is not None else {})
        else:
            self.objective.load_state_dict(saved["objective"])
        if self.average is not None:
            _take(self.average, saved["average"])
        self._fresh_since = saved.get("fresh_since", 0)
        if is_thin(saved):
            self._fresh_since = self.seen
            reseeded(self.random, self.config.seed, self.step)
            return True
        # One optimiser alone was written under another name.
        states = saved["optimisers"] if "optimisers" in saved else [saved["optimiser"]]
        for optimiser, state in zip(self.optimisers, states, strict=True):
            optimiser.load_state_dict(state)
        self.random.set_state(saved["random"])
        return True

    def start_from(self, store: ModelStore, name: str) -> None:
        """Begin with a published model of the built-in network, as far as it reaches; the rest starts anew.

        Stages that the model lacks, and the head for what is alike where its size differs, start anew too.

        Raises:
            WeightsError: There is no such model, or its network is another.
        """
        encoder = self.network.encoder
        card = store.card(name)
        if not isinstance(encoder, PhotoEncoder) or card.architecture != ARCHITECTURE:
            raise WeightsError(f"The training cannot begin with '{name}': its network is another.")
        saved = store.tensors(card)
        for part in ("backbone", "class_head"):
            module = getattr(encoder, part, None)
            tensors = {k[len(part) + 1 :]: v for k, v in saved.items() if k.startswith(part + ".")}
            if module is None or not tensors:
                continue
            own = module.state_dict()
            if part == "class_head" and any(own[k].shape != v.shape for k, v in tensors.items() if k in own):
                continue
            load_strict(module, {**own, **tensors}, what=f"the {part} of '{name}'")
        for copied in (self.slow, self.average):
            if copied is not None:
                copied.load_state_dict(self.network.state_dict())

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
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        for optimiser in self.optimisers:
            optimiser.step()
        self._follow(batch.key.detach())
        with torch.no_grad():
            query, key = F.normalize(batch.query.detach(), dim=1), F.normalize(batch.key.detach(), dim=1)
            own = kinds[: len(query)]
            nearest = own[(query @ key.T).argmax(dim=1)] == own
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
        if self.config.view_weight and not self.config.in_sets:
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
        if self.config.encoder.class_size:
            others = rows[: max(2, round(len(rows) * self.config.second_views))]
        drawn = []
        for chosen in (rows, others):
            pictures, side_ratio = self.pictures.chosen(chosen)
            if self.config.encoder.network == FACE_NETWORK:
                faces = self.config.face_views
                drawn.append(draw_face_views(pictures, size=size, config=faces, generator=self.random))
                continue
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
            views, alike = self.network.project_both(torch.cat([first, second]))
            query, key = views[: len(second)].float(), views[len(first) :].float()
            if alike is None:
                return PairBatch(query, key, kinds)
            return PairBatch(query, key, torch.cat([kinds, kinds[: len(second)]]), alike.float())
        with torch.no_grad():
            key = self.slow.project(second).float()
        return PairBatch(self.network.project(first).float(), key, kinds)

    def _follow(self, key: Tensor) -> None:
        """The slow copy moves along, and what the objective remembers."""
        if self.slow is not None:
            with torch.no_grad():
                for slow, fast in zip(self.slow.parameters(), self.network.parameters(), strict=True):
                    slow.lerp_(fast, 1.0 - self.config.momentum)
        if self.average is not None:
            keep = min(self.config.average, (self.step + 1) / (self.step + _AVERAGE_START))
            with torch.no_grad():
                for mean, fast in zip(self.average.parameters(), self.network.parameters(), strict=True):
                    mean.lerp_(fast, 1.0 - keep)
        self.objective.follow(key)

    def _set_rate(self) -> float:
        config = self.config
        warm = min(1.0, (self.seen + self.order.batch) / max(config.warmup_images, 1))
        if self._fresh_since:
            warm = min(warm, warmth(self.seen, self._fresh_since, self.order.batch))
        rate = config.rate * warm * cosine_rate(self.seen / config.images, floor=0.01)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate
        return rate

    def _log(self, means: dict[str, float]) -> None:
        self.run.log({"images": self.seen, "images_per_s": self.seen / max(self.seconds, 1e-9), **means})
        if means["spread"] < COLLAPSE_SHARE:
            _log.warning("the projections have collapsed to a point (spread %.3f)", means["spread"])

    # --- the model -----------------------------------------------------------------------------------

    def finish(self) -> AnyEncoder:
        """The encoder for use: statistics of unchanged pictures in its norms, whitening learned."""
        encoder = copy.deepcopy((self.average or self.network).encoder)
        if isinstance(encoder, TowerEncoder):
            return encoder.eval().requires_grad_(False)
        picked = torch.randperm(len(self.pictures), generator=torch.Generator().manual_seed(self.config.seed))
        batches = picked[:CALIBRATION_PICTURES].split(self.order.batch)
        size = self.config.encoder.input_px
        pictures = [_whole_pictures(self.pictures, rows, size) for rows in batches]
        power = self.config.encoder.whiten_power
        if isinstance(encoder, FaceEncoder):
            calibrate_faces(encoder, pictures, whiten_power=power)
            return encoder.requires_grad_(False)
        wide = calibrate(encoder, pictures, whiten_power=power)
        if wide is not None and self.alike.shared:
            embedding = encoder.embedding
            mean, matrix = discriminant(
                wide,
                self.alike.kinds[picked[:CALIBRATION_PICTURES]],
                size=embedding.class_size,
                blocks=embedding.kind_blocks(encoder.backbone.shape),
            )
            encoder.kind_directions.mean.copy_(mean)
            encoder.kind_directions.matrix.copy_(matrix)
        return encoder.requires_grad_(False)


def begun_with(config: ContrastiveConfig, card: ModelCard) -> ContrastiveConfig:
    """The configuration with the network and the embedding of a published model of the built-in kind.

    A method that has no use for its head of what is alike goes on without it; without any training it stays.
    """
    if card.architecture != ARCHITECTURE:
        return config
    known = card.config
    encoder = replace(
        config.encoder,
        widths=tuple(int(v) for v in known["widths"]),
        blocks=tuple(int(v) for v in known["blocks"]),
        **{name: known[name] for name in _ADOPTED if name in known},
    )
    if config.images and not config.view_weight:
        size = encoder.embedding_size - encoder.class_size
        encoder = replace(encoder, embedding_size=size, class_size=0, class_weight=0.0, learned_stages=0)
    return replace(config, encoder=encoder)


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


def write_encoder(
    training: ContrastiveTraining,
    words: ModelWords,
    *,
    store: str = "float32",
    judge: Callable[[FaceEncoder], float] | None = None,
) -> ModelCard:
    """Finish a training and write its model: card and weights.

    Args:
        training: The run.
        words: What its card says.
        store: `float32`, `half`, or `byte`: kernels of the backbone in one byte each, the rest in half.
        judge: Says from which similarity on two faces are one person, for the card of a face encoder.

    Raises:
        ResourceError: The files cannot be written.
    """
    encoder = training.finish()
    choices = training.config
    config, described = _card_config(encoder, choices.encoder)
    if isinstance(encoder, FaceEncoder) and judge is not None:
        config["same_person"] = judge(encoder)
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
        role=FACE_ROLE if isinstance(encoder, FaceEncoder) else "encoder",
        architecture=_architecture(encoder),
        config=config,
        title=words.title,
        licence=words.licence,
        sources=words.sources,
        sha256="",
        bytes=0,
        facts=facts,
        folder=words.folder,
    )
    return write_model(card, _stored(encoder.state_dict(), store))


def _stored(tensors: dict[str, Tensor], store: str) -> dict[str, Tensor]:
    if store == "float32":
        return tensors
    return pack(tensors, prefix="backbone." if store == "byte" else "none of them")


def _architecture(encoder: AnyEncoder) -> str:
    if isinstance(encoder, FaceEncoder):
        return FACE
    return ARCHITECTURE if isinstance(encoder, PhotoEncoder) else TOWER


def _card_config(encoder: AnyEncoder, choices: EncoderConfig) -> tuple[dict[str, Any], str]:
    """What rebuilds the network, and its embedding in words."""
    if isinstance(encoder, TowerEncoder):
        described = f"{encoder.size} numbers from {encoder.input_px} x {encoder.input_px} pixels"
        return {"network": encoder.name}, described
    if isinstance(encoder, FaceEncoder):
        face, side = choices.face, choices.input_px
        described = f"{face.size} numbers from a face of {side} x {side} pixels"
        sizes = {"widths": list(choices.widths), "blocks": list(choices.blocks), "input_px": side}
        return {**sizes, **asdict(face)}, described
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
    if choices.class_size:
        config.update(
            class_size=choices.class_size,
            class_weight=choices.class_weight,
            learned_stages=choices.learned_stages,
            class_head_size=choices.class_head_size,
        )
    return config, described


def _take(network: ContrastiveNetwork, state: dict[str, Tensor]) -> None:
    """Load what is trained; what is found after training may have another shape by now."""
    found_after = ("whitening.", "kind_directions.")
    own = {k: v for k, v in network.state_dict().items() if any(part in k for part in found_after)}
    trained = {k: v for k, v in state.items() if not any(part in k for part in found_after)}
    network.load_state_dict({**own, **trained})


def _unchanging(config: ContrastiveConfig) -> tuple[object, ...]:
    """What may not change when a run is continued; rates, views and the length of the run may."""
    encoder = config.encoder
    return (
        (encoder.network, encoder.widths, encoder.blocks),
        (config.head_hidden, config.head_out, config.head, config.prototypes),
        (config.loss, config.similarity, config.view_weight),
        (
            encoder.class_head_size or encoder.class_size,
            encoder.learned_stages,
            config.optimiser,
            config.average > 0,
        ),
        (config.dissimilarity, config.queue, config.batch, config.seed),
    )


def _order(config: ContrastiveConfig, alike: AlikeSets) -> EpochOrder | SetOrder:
    """Every picture once in an epoch, or sets together."""
    if config.in_sets and alike.shared:
        return SetOrder(
            alike, batch=config.batch, in_sets=config.in_sets, members=config.set_members, seed=config.seed
        )
    return EpochOrder(len(alike.kinds), batch=config.batch, seed=config.seed)


def _whole_pictures(pictures: SmallPictures, rows: Tensor, size: int) -> Tensor:
    """Pictures as the application will show them to the encoder: (B, 3, size, size) in [-1, 1]."""
    stored, _ = pictures.chosen(rows)
    wide = stored.float().div_(127.5).sub_(1.0)
    if wide.shape[-1] == size:
        return wide
    return F.interpolate(wide, (size, size), mode="bilinear", antialias=True, align_corners=False)
