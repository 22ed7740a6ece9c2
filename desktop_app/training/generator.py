"""Generator training: an autoencoder over W+ codes, then sharpening with a discriminator.

The encoder has the layout of a ReStyle encoder from the start (photo and current estimate, residual
to the present code), so that the same network can be refined by `training/restyle.py` once the
generator stands still. Stage one fits encoder and generator to reconstruct; stage two adds a
discriminator (`adversary`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from desktop_app.core.types import Progress
from desktop_app.engine.networks.restyle_encoders import EncoderShape, GradualStyleBlock, create_encoder
from desktop_app.engine.networks.stylegan2 import Generator, style_count
from desktop_app.engine.weights.store import ModelStore, load_strict
from desktop_app.training.adversary import Adversary, AdversaryWeights, usual_r1
from desktop_app.training.checkpoint_parts import warmth
from desktop_app.training.face_run import FaceRun, young_half_life
from desktop_app.training.faces import AlignedPictures, Jitter
from desktop_app.training.inversion_losses import per_image_l2, reconstruction_loss
from desktop_app.training.muon import Muon, suits_muon
from desktop_app.training.run_folder import Pace, RunFolder, cosine_rate

CPU = torch.device("cpu")
EVALUATE_EVERY = 16_000  # images
CHECKPOINT_EVERY = 2_000  # images
AVERAGE_EVERY = 32  # iterations between renewals of the average image
SHEET_FACES = 8
LEARNS_FIRST = 2_000  # images of the second stage until its terms have their full weight


@dataclass(frozen=True, slots=True)
class GeneratorConfig:
    """Sizes and schedule of a generator run.

    Attributes:
        size: Pixels, a power of two.
        style_dim: Size D of a style row.
        n_mlp: Layers of the mapping network.
        channels: Feature maps by resolution.
        encoder_type: Official encoder name.
        encoder_widths: Feature maps of the four encoder groups.
        encoder_units: Blocks in the four groups.
        encoder_px: Side of the encoder's input; larger pictures are averaged down to it.
        encoder_inputs: 6 for photo and reconstruction, 3 for an encoder that sees the photo alone.
        images: Pictures seen by the autoencoder stage.
        sharpen_images: Pictures seen by the stage with the discriminator.
        batch: Pictures an iteration.
        rate: Highest learning rate of the encoder.
        generator_factor: The generator's rate over the encoder's: its weights are equalised, near
            N(0, 1), and move relatively slower at one rate.
        sharpen_rate: The same in the second stage.
        max_steps: Deepest refinement step seen in training.
        deeper: Probability that a batch is refined once more instead of drawing another.
        code_noise: Standard deviation of the noise on codes.
        code_penalty: Weight of the mean squared code residual.
        adversarial: Weight of the adversarial term.
        matching: Weight of feature matching.
        r1: R1 weight, applied every 16 iterations; 0: by size and batch (`adversary.usual_r1`).
        mixing: Share of iterations of the second stage that judge pictures of mixed codes, too.
        adapts: Whether the discriminator's pictures are augmented adaptively.
        ema_images: Half-life of the averaged weights, in images.
        muon: Whether matrices are moved by Muon; the rest always by Adam.
        texture: Weight of the term that asks for as much fine detail as the photo has.
        precision: `bfloat16`, `float32`, or `auto`: bfloat16 where the machine computes it natively.
        filter: A filter of `training/toon.py`: the generator makes pictures of its domain, and the encoder
            reads the photographs. Empty: photographs.
        seed: Seed of weights, sampling and noise.
    """

    size: int = 64
    style_dim: int = 192
    n_mlp: int = 4
    channels: dict[str, int] = field(
        default_factory=lambda: {"4": 128, "8": 128, "16": 128, "32": 64, "64": 32, "128": 16, "256": 8}
    )
    encoder_type: str = "ResNetBackboneEncoder"
    encoder_widths: tuple[int, ...] = (32, 64, 128, 192)
    encoder_units: tuple[int, ...] = (2, 2, 3, 2)
    encoder_px: int = 64
    encoder_inputs: int = 6
    images: int = 70_000
    sharpen_images: int = 30_000
    batch: int = 16
    rate: float = 1e-3
    generator_factor: float = 6.0
    sharpen_rate: float = 2.5e-4
    max_steps: int = 3
    deeper: float = 0.5
    code_noise: float = 0.03
    code_penalty: float = 1e-3
    adversarial: float = 0.02
    matching: float = 0.5
    r1: float = 0.0
    mixing: float = 0.5
    adapts: bool = True
    ema_images: float = 4_000.0
    muon: bool = True
    texture: float = 0.0
    precision: str = "auto"
    filter: str = ""
    seed: int = 1

    def shape(self) -> EncoderShape:
        """Sizes of the ReStyle encoder."""
        return EncoderShape(
            n_styles=style_count(self.size),
            input_nc=self.encoder_inputs,
            style_dim=self.style_dim,
            widths=tuple(self.encoder_widths),
            units=tuple(self.encoder_units),
            input_px=min(self.encoder_px, self.size),
        )

    def adversary(self) -> AdversaryWeights:
        """Weights of the second stage."""
        r1 = self.r1 or usual_r1(self.size, self.batch)
        return AdversaryWeights(self.adversarial, self.matching, r1, self.mixing, self.adapts)

    def widths(self) -> dict[int, int]:
        """Feature maps by resolution, up to the size."""
        return {int(k): v for k, v in self.channels.items() if int(k) <= self.size}


def generator_config(saved: dict[str, Any]) -> GeneratorConfig:
    """A configuration read back from a checkpoint: lists become tuples again."""
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in saved.items()}
    return GeneratorConfig(**values)


class FaceAutoencoder(nn.Module):
    """Encoder, generator and the average code between them."""

    w_avg: Tensor

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.dtype = torch.float32
        self.input_px = config.shape().input_px
        self.sees_estimate = config.encoder_inputs > 3
        self.generator = Generator(
            config.size, style_dim=config.style_dim, n_mlp=config.n_mlp, channels=config.widths()
        )
        self.encoder = create_encoder(config.encoder_type, config.shape())
        self.encoder.to(memory_format=torch.channels_last)
        self.register_buffer("w_avg", torch.zeros(config.style_dim))

    def decode(self, w_plus: Tensor) -> Tensor:
        """W+ codes to images without noise: the autoencoder has none."""
        silent: list[Tensor | None] = [None] * self.generator.num_layers
        return self.generator.synthesize(w_plus, noise=silent, dtype=self.dtype)

    def encode(self, x: Tensor, y_hat: Tensor) -> Tensor:
        """The residual that the encoder predicts for a photo and its reconstruction, (B, L, D) float32."""
        seen = torch.cat([x, y_hat], dim=1) if self.sees_estimate else x
        stack = self.pool(seen).contiguous(memory_format=torch.channels_last)
        with torch.autocast(x.device.type, self.dtype, enabled=self.dtype is not torch.float32):
            residual: Tensor = self.encoder(stack)
        return residual.float()

    def refine(self, x: Tensor, y_hat: Tensor, w_plus: Tensor) -> Tensor:
        """One ReStyle pass: the code plus the predicted residual, (B, L, D)."""
        return w_plus + self.encode(x, y_hat)

    def pool(self, x: Tensor) -> Tensor:
        """Average pictures down to the encoder's input."""
        factor = x.shape[-1] // self.input_px
        return nn.functional.avg_pool2d(x, factor) if factor > 1 else x

    @property
    def style_blocks(self) -> list[GradualStyleBlock]:
        """The encoder's last blocks, one a row."""
        blocks = self.encoder.get_submodule("styles").children()
        return [block for block in blocks if isinstance(block, GradualStyleBlock)]

    def start(self, count: int) -> tuple[Tensor, Tensor]:
        """Average image and code, repeated."""
        w_plus = self.w_avg.expand(count, self.generator.n_latent, -1)
        with torch.no_grad():
            image = self.decode(w_plus[:1])
        return image.expand(count, -1, -1, -1), w_plus


@torch.no_grad()
def step_errors(
    model: FaceAutoencoder, pictures: Tensor, steps: int, *, targets: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """L2 of every step and the last images of a set: ((N, steps), (N, 3, S, S)).

    Args:
        model: Networks.
        pictures: What the encoder reads, (N, 3, S, S).
        steps: Passes.
        targets: What should come out, when it is not the pictures themselves.
    """
    model.eval()
    errors, images = [], []
    wanted = pictures if targets is None else targets
    device = model.w_avg.device
    for photos, twins in zip(torch.split(pictures, 50), torch.split(wanted, 50), strict=True):
        x, target = photos.to(device), twins.to(device)
        y_hat, w_plus = model.start(len(x))
        row = []
        for _ in range(steps):
            w_plus = model.refine(x, y_hat, w_plus)
            y_hat = model.decode(w_plus)
            row.append(per_image_l2(y_hat, target))
        errors.append(torch.stack(row, dim=1).cpu())
        images.append(y_hat.cpu())
    model.train()
    return torch.cat(errors), torch.cat(images)


class GeneratorTraining(FaceRun):
    """One run: state, iteration, checkpoint.

    Args:
        config: Sizes and schedule.
        data: Folder of aligned pictures.
        run: Where checkpoint, statistics and sheets go.
        device: Where the networks are trained; pictures and draws come from the CPU.
        compile_networks: Use torch.compile (needs a C++ compiler; about 1.4 times faster).
    """

    def __init__(
        self,
        config: GeneratorConfig,
        data: Path,
        run: RunFolder,
        *,
        device: torch.device = CPU,
        compile_networks: bool = False,
    ) -> None:
        torch.manual_seed(config.seed)
        super().__init__(
            run,
            FaceAutoencoder(config),
            config=config,
            data=data,
            seed=config.seed,
            device=device,
            compile_networks=compile_networks,
        )
        self.config = config
        self.train_set = AlignedPictures(data, "train", size=config.size, filter_name=config.filter)
        self.left_out += self.train_set.left_out
        self.optimisers = _optimisers(self.model, config)
        self.adversary = Adversary(
            config.size,
            {k: max(v // 2, 4) for k, v in config.widths().items()},
            weights=config.adversary(),
            random=self.random,
            device=device,
            dtype=self.model.dtype,
        )
        self.seen = 0
        self.iteration = 0
        self.jitter = Jitter()
        self.is_grown = False
        self._state: tuple[Tensor, Tensor, Tensor, int] | None = None
        self._target = torch.empty(0)  # what should come out for the photographs of the state

    @property
    def total(self) -> int:
        """Pictures of both stages."""
        return self.config.images + self.config.sharpen_images

    def steps(self) -> Iterator[Progress]:
        """Train to the end; yields after every iteration."""
        pace = Pace(self.seen, self.total)
        if self.is_grown:
            # every depth sees other inputs: batch normalisation keeps its statistics
            self.model.encoder.eval()
        while self.seen < self.total:
            stats = self._iterate()
            before = self.seen
            self.seen += self.config.batch
            self.iteration += 1
            self.run.log({"images": self.seen, **stats})
            if crosses(before, self.seen, CHECKPOINT_EVERY):
                self.save()
            if crosses(before, self.seen, EVALUATE_EVERY) or self.seen >= self.total:
                self.evaluate()
            yield pace.progress(self.seen, f"loss {stats['loss']:.4f}")
        self.save()

    def _iterate(self) -> dict[str, float]:
        sharpening = self.seen >= self.config.images
        self._set_rate(sharpening)
        x, y_before, w_before, depth = self._next_state()
        w_plus = w_before + self._encode(x, y_before)
        noise = torch.randn(w_plus.shape, generator=self.random).to(self.device) * self.config.code_noise
        y_hat = self._decode(w_plus + noise)
        target = self._target
        loss = reconstruction_loss(y_hat, target, texture=self.config.texture)
        stats = {"depth": float(depth), "l2": per_image_l2(y_hat.detach(), target).mean().item()}
        total = loss + self.config.code_penalty * (w_plus - self.model.w_avg).square().mean()
        if sharpening:
            extra, extra_stats = self.adversary.generator_terms(
                target, y_hat, codes=w_plus, decode=self.model.decode
            )
            # the discriminator learns first
            total = total + min(1.0, (self.seen - self.config.images) / LEARNS_FIRST) * extra
            stats.update(extra_stats)
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 10.0)
        for optimiser in self.optimisers:
            optimiser.step()
        if sharpening:
            stats.update(self.adversary.learn(target, y_hat.detach()))
        self._follow(w_plus.detach())
        self._state = (x, y_hat.detach(), w_plus.detach(), depth)
        return {"loss": loss.item(), **stats}

    def _next_state(self) -> tuple[Tensor, Tensor, Tensor, int]:
        """A fresh batch from the average, or the last batch one refinement deeper."""
        is_early = self.seen < 0.4 * self.config.images and not self.is_grown
        depth_limit = 1 if is_early else self.config.max_steps
        if self._state is not None:
            x, y_hat, w_plus, depth = self._state
            if depth < depth_limit and torch.rand(1, generator=self.random).item() < self.config.deeper:
                return x, y_hat, w_plus, depth + 1
        pairs = self.train_set.pairs(self.config.batch, self.jitter, self.random)
        x, self._target = (one.to(self.device) for one in pairs)
        if self.iteration % AVERAGE_EVERY == 0 or self._state is None:
            self._average_image = self.model.start(1)[0]
        w_plus = self.model.w_avg.expand(len(x), self.model.generator.n_latent, -1)
        return x, self._average_image.expand_as(x), w_plus, 1

    def _set_rate(self, sharpening: bool) -> None:
        config = self.config
        if sharpening:
            rate = config.sharpen_rate * cosine_rate(
                (self.seen - config.images) / max(config.sharpen_images, 1)
            )
        else:
            rate = config.rate * cosine_rate(
                self.seen / config.images, floor=config.sharpen_rate / config.rate
            )
        if not sharpening or self._fresh_since:
            rate *= warmth(self.seen, self._fresh_since, config.batch)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate * group["factor"]

    def _follow(self, w_plus: Tensor) -> None:
        """Average code and averaged weights move along."""
        with torch.no_grad():
            if self.seen < 0.5 * self.config.images and not self.is_grown:
                self.model.w_avg.lerp_(w_plus.mean(dim=(0, 1)), 0.01)
        self._average_follows(self.config.batch, young_half_life(self.config.ema_images, self.seen))

    def evaluate(self) -> None:
        """L2 of five steps on held-out people with the averaged weights, and a picture sheet."""
        errors, _ = step_errors(self.average, self.held_out, 5, targets=self.held_out_targets)
        means = errors.mean(dim=0)
        _, images = step_errors(self.average, self.held_out[:SHEET_FACES], 1)
        _, late = step_errors(self.average, self.held_out[:SHEET_FACES], 3)
        shown = [self.held_out[:SHEET_FACES], self.held_out_targets[:SHEET_FACES]]
        rows = [*(shown if self.config.filter else shown[:1]), images, late]
        self.run.sheet(f"val_{self.seen:07d}.png", rows)
        self.run.note(
            {"images": self.seen, **{f"val_l2_step{i + 1}": round(m.item(), 5) for i, m in enumerate(means)}}
        )

    def save(self) -> None:
        """Write a checkpoint that restores everything."""
        self.run.save(
            {
                **self._shared_state(),
                "config": asdict(self.config),
                "seen": self.seen,
                "iteration": self.iteration,
                "adversary": self.adversary.state(),
                "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
                "is_grown": self.is_grown,
                "torch_random": torch.get_rng_state(),
                "state": list(self._state) if self._state else None,
                "target": self._target if self._state and self.config.filter else None,
                "average_image": self._average_image if self._state else None,
            }
        )

    def start_from(self, store: ModelStore, name: str) -> None:
        """Begin with the weights of a published model; optimisers start fresh.

        A model of half the size is grown (Karras et al., 2018): blocks of the new resolution start at
        random behind a silent ToRGB, and the new style rows start as the finest old one. A narrower
        encoder is widened without changing what it computes (Chen et al., 2016, "Net2Net", with new maps
        at random instead of copied): nothing that was there reads a new map yet.

        Raises:
            WeightsError: There is no such model, or it has other sizes.
        """
        card = store.card(name)
        tensors = {k: v.float() if v.is_floating_point() else v for k, v in store.tensors(card).items()}
        w_avg = tensors.pop("latent_avg", self.model.w_avg)
        own = {k.replace("decoder.", "generator.", 1): v for k, v in tensors.items()}
        if int(card.config.get("generator", {}).get("size", self.config.size)) * 2 == self.config.size:
            own = grown(own, self.model)
        own = {name: widened(value, self.model.state_dict().get(name)) for name, value in own.items()}
        load_strict(self.model, {**own, "w_avg": w_avg}, what=f"'{name}'")
        self.average.load_state_dict(self.model.state_dict())
        self.is_grown = True

    def restore(self) -> bool:
        """Continue from the run's checkpoint; False when there is none."""
        saved = self.run.load()
        if saved is None:
            return False
        self.seen, self.iteration = saved["seen"], saved["iteration"]
        self.is_grown = saved["is_grown"]
        self.adversary.restore(saved.get("adversary"))
        if not self._restore_shared(saved, done=self.seen, seed=self.config.seed):
            return True
        for optimiser, state in zip(self.optimisers, saved["optimisers"], strict=True):
            optimiser.load_state_dict(state)
        torch.set_rng_state(saved["torch_random"])
        if saved["state"] is not None:
            *tensors, depth = saved["state"]
            x, y_hat, w_plus = (tensor.to(self.device) for tensor in tensors)
            self._state = (x, y_hat, w_plus, depth)
            target = saved.get("target")
            self._target = x if target is None else target.to(self.device)
            self._average_image = saved["average_image"].to(self.device)
        return True


def grown(tensors: dict[str, Tensor], model: FaceAutoencoder) -> dict[str, Tensor]:
    """The weights of a model of half the size, completed to those of `model`."""
    grown_state = {**model.state_dict(), **tensors}
    last = len(model.generator.to_rgbs) - 1
    key = f"generator.to_rgbs.{last}.conv.weight"
    grown_state[key] = torch.zeros_like(grown_state[key])
    before = model.generator.n_latent - 2
    for name in tensors:
        start, _, rest = name.partition(f"encoder.styles.{before - 1}.")
        if rest and not start:
            for row in (before, before + 1):
                grown_state[f"encoder.styles.{row}.{rest}"] = tensors[name].clone()
    return grown_state


def widened(old: Tensor, new: Tensor | None) -> Tensor:
    """A weight completed to a wider layer's: old outputs ignore new inputs, new outputs are the new layer's.

    Anything but a tensor that is as large or larger in its first two dimensions comes back as it is.
    """
    is_wider = new is not None and old.dim() == new.dim() and old.shape != new.shape and old.dim() > 0
    if new is None or not is_wider or old.shape[2:] != new.shape[2:]:
        return old
    if any(a > b for a, b in zip(old.shape, new.shape, strict=True)):
        return old
    wide = new.clone()
    wide[: old.shape[0]] = 0.0
    wide[tuple(slice(0, side) for side in old.shape[:2])] = old
    return wide


def _optimisers(model: FaceAutoencoder, config: GeneratorConfig) -> list[torch.optim.Optimizer]:
    """Muon for the matrices, when it is wanted, and Adam for the rest."""
    groups: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for network, factor in ((model.encoder, 1.0), (model.generator, config.generator_factor)):
        named = [(n, p) for n, p in network.named_parameters() if not n.startswith("style.")]
        for by_muon in (True, False):
            chosen = [p for n, p in named if (config.muon and suits_muon(n, p)) == by_muon]
            if chosen:
                groups[by_muon].append({"params": chosen, "factor": factor})
    adam = torch.optim.Adam(groups[False], lr=config.rate, betas=(0.9, 0.99), fused=True)
    return [Muon(groups[True], lr=config.rate), adam] if groups[True] else [adam]


def crosses(before: int, after: int, every: int) -> bool:
    """Whether a multiple of `every` lies in (before, after]."""
    return math.floor(after / every) > math.floor(before / every)
