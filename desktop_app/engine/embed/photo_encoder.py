"""The built-in photo encoder: a small residual network, pooling of its stages, branches that are joined.

What a picture shows, which single picture it is, and its colours want different descriptions: an
embedding joins a head that learned kinds of things, whitened features that tell single pictures apart,
and a whitened histogram of colours, each of unit length and with a weight of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from desktop_app.core.errors import WeightsError
from desktop_app.engine.networks.colour_histogram import COLOUR_BINS, colour_histogram
from desktop_app.engine.networks.contrastive_heads import ProjectionHead, Whitening, pool_stages
from desktop_app.engine.networks.resnet_small import ResNetShape, SmallResNet, shape_from_config
from desktop_app.engine.weights.store import load_strict

ARCHITECTURE = "contrastive_resnet_small"
# Measured on the labelled sets: 0.1 and 0.25 are alike, and both better than no whitening.
COLOUR_WHITEN_POWER = 0.25
CLASS_HIDDEN = 512
_MOST_HEAD = 4096
# Pictures after which the statistics of the norms stand still.
_NORM_PICTURES = 2048


@dataclass(frozen=True, slots=True)
class EmbeddingShape:
    """What an embedding is made of.

    Attributes:
        size: Length of an embedding.
        pool_power: Exponent of the pooling of learned features.
        colour_size: How many of its numbers describe colours; 0: none.
        colour_weight: Weight of the colours against the learned features.
        class_size: How many of its numbers tell kinds of things; 0: none.
        class_weight: Weight of these against the learned features.
        learned_stages: How many stages, from the first, the learned features come from; 0: all.
        class_head_size: Outputs that the head for kinds was trained with, where the numbers that tell kinds
            are directions of its hidden layer, the learned features and the colours together; 0: they are the
            outputs of the head.
    """

    size: int
    pool_power: float
    colour_size: int = 0
    colour_weight: float = 0.0
    class_size: int = 0
    class_weight: float = 0.0
    learned_stages: int = 0
    class_head_size: int = 0

    @property
    def learned_size(self) -> int:
        """How many of the numbers are whitened features."""
        return self.size - self.colour_size - self.class_size

    def learned_features(self, shape: ResNetShape) -> int:
        """Channels that the whitened features are made of."""
        return sum(shape.widths[: self.learned_stages or None])

    def kind_blocks(self, shape: ResNetShape) -> tuple[int, ...]:
        """Lengths of the parts that the directions of kinds are found in."""
        return (CLASS_HIDDEN, self.learned_features(shape), COLOUR_BINS)


@dataclass(frozen=True, slots=True)
class Branches:
    """The parts of an embedding before they are joined, (B, D) of unit length each; None: there is none."""

    learned: Tensor
    colours: Tensor | None
    kinds: Tensor | None


# What a training without labels is made with; its untrained twin in evaluations is made with the same.
STANDARD_PX = 96
STANDARD_WHITEN_POWER = 0.35
STANDARD_EMBEDDING = EmbeddingShape(size=256, pool_power=3.0, colour_size=64, colour_weight=0.85)


class PhotoEncoder(nn.Module):
    """Images to embeddings: the mean over a picture and its mirror image, pooled and whitened.

    Args:
        shape: Of the backbone.
        embedding: What an embedding is made of.

    Attributes:
        maps_dtype: Precision of the backbone; float32, or a shorter type where that is faster and in use.
    """

    def __init__(self, shape: ResNetShape, embedding: EmbeddingShape) -> None:
        super().__init__()
        self.embedding = embedding
        self.maps_dtype = torch.float32
        self.backbone = SmallResNet(shape)
        self.whitening = Whitening(embedding.learned_features(shape), embedding.learned_size)
        if embedding.colour_size:
            self.colour_whitening = Whitening(COLOUR_BINS, embedding.colour_size)
        if embedding.class_size:
            out = embedding.class_head_size or embedding.class_size
            self.class_head = ProjectionHead(shape.features, hidden=CLASS_HIDDEN, out=out)
        if embedding.class_head_size:
            self.kind_directions = Whitening(sum(embedding.kind_blocks(shape)), embedding.class_size)

    def features(self, x: Tensor) -> Tensor:
        """Pooled features before whitening: (B, 3, H, W) in [-1, 1] -> (B, F) float32."""
        return self._learned(self._both_ways(x))

    def branches(self, x: Tensor) -> Branches:
        """The parts of an embedding: (B, 3, H, W) in [-1, 1] -> parts of unit length."""
        maps = self._both_ways(x)
        learned: Tensor = self.whitening(self._learned(maps))
        colours, kinds = None, None
        histogram = None
        if self.embedding.colour_size or self.embedding.class_head_size:
            histogram = colour_histogram(x)
        if self.embedding.colour_size:
            colours = self.colour_whitening(histogram)
        if self.embedding.class_size:
            kinds = self._kinds(maps, histogram)
        return Branches(learned, colours, kinds)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, D), unit length."""
        parts = self.branches(x)
        joined = [parts.learned]
        if parts.colours is not None:
            joined.append(self.embedding.colour_weight * parts.colours)
        if parts.kinds is not None:
            joined.append(self.embedding.class_weight * parts.kinds)
        return F.normalize(torch.cat(joined, dim=1), dim=1) if len(joined) > 1 else parts.learned

    def kind_features(self, x: Tensor) -> Tensor:
        """What the directions of kinds are found in: (B, 3, H, W) -> (B, sum of `kind_blocks`)."""
        return self._kind_features(self._both_ways(x), colour_histogram(x))

    def _kinds(self, maps: list[list[Tensor]], histogram: Tensor | None) -> Tensor:
        if histogram is not None and self.embedding.class_head_size:
            directions: Tensor = self.kind_directions(self._kind_features(maps, histogram))
            return directions
        ways = [self.class_head(pool_stages(one, power=1.0)) for one in maps]
        return F.normalize(ways[0] + ways[1], dim=1)

    def _kind_features(self, maps: list[list[Tensor]], histogram: Tensor) -> Tensor:
        ways = [self.class_head.hidden(pool_stages(one, power=1.0)) for one in maps]
        return torch.cat([(ways[0] + ways[1]) / 2.0, self._learned(maps), histogram], dim=1)

    def _both_ways(self, x: Tensor) -> list[list[Tensor]]:
        """Maps of all stages, of a picture and of its mirror image."""
        x = x.contiguous(memory_format=torch.channels_last)
        is_short = self.maps_dtype != torch.float32
        with torch.autocast(x.device.type, self.maps_dtype, enabled=is_short):
            return [self.backbone(one) for one in (x, x.flip(3))]

    def _learned(self, maps: list[list[Tensor]]) -> Tensor:
        stages = self.embedding.learned_stages or None
        ways = [pool_stages(one[:stages], power=self.embedding.pool_power) for one in maps]
        return (ways[0] + ways[1]) / 2.0


@torch.no_grad()
def calibrate(encoder: PhotoEncoder, batches: Iterable[Tensor], *, whiten_power: float) -> Tensor | None:
    """Make an encoder ready for use: norms and whitening learn from unchanged pictures, without labels.

    Args:
        encoder: Left in evaluation mode.
        batches: Pictures, (B, 3, S, S) in [-1, 1]; gone through twice, so not an iterator.
        whiten_power: How far the axes of the embedding are evened out, 0 to 0.5.

    Returns:
        What the directions of kinds can be found in, (N, sum of `kind_blocks`), where the encoder has such.
    """
    for part in encoder.modules():
        if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d)):
            part.reset_running_stats()
            part.momentum = None  # the mean over all batches
    encoder.train()
    seen = 0
    for x in batches:
        encoder.branches(x)
        seen += len(x)
        if seen >= _NORM_PICTURES:
            break
    encoder.eval()
    wide = None
    if encoder.embedding.class_head_size:
        wide = torch.cat([encoder.kind_features(x) for x in batches])
        _, features, colours = wide.split(encoder.embedding.kind_blocks(encoder.backbone.shape), dim=1)
    else:
        features = torch.cat([encoder.features(x) for x in batches])
        colours = torch.cat([colour_histogram(x) for x in batches])
    encoder.whitening.fit(features, power=whiten_power)
    if encoder.embedding.colour_size:
        encoder.colour_whitening.fit(colours, power=COLOUR_WHITEN_POWER)
    return wide


def build_photo_encoder(config: dict[str, Any], tensors: dict[str, Tensor], *, what: str) -> PhotoEncoder:
    """Rebuild an encoder from its card.

    Args:
        config: `widths`, `blocks`, `embedding_size`, `pool_power` and, where there are such branches,
            `colour_size` and `colour_weight`, `class_size`, `class_weight` and `class_head_size`, and
            `learned_stages`.
        tensors: Its weights.
        what: Name for error messages.

    Raises:
        WeightsError: The card or the weights do not fit.
    """
    shape = shape_from_config(config)
    try:
        embedding = EmbeddingShape(
            size=int(config["embedding_size"]),
            pool_power=float(config["pool_power"]),
            colour_size=int(config.get("colour_size", 0)),
            colour_weight=float(config.get("colour_weight", 0.0)),
            class_size=int(config.get("class_size", 0)),
            class_weight=float(config.get("class_weight", 0.0)),
            learned_stages=int(config.get("learned_stages", 0)),
            class_head_size=int(config.get("class_head_size", 0)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"The model card of {what} is not usable: {error!r}.") from error
    if not _is_whole(shape, embedding):
        raise WeightsError(
            f"The model card of {what} is not usable: the shape of its embedding is out of range."
        )
    encoder = PhotoEncoder(shape, embedding)
    load_strict(encoder, tensors, what=what)
    return encoder.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def _is_whole(shape: ResNetShape, embedding: EmbeddingShape) -> bool:
    """Whether an embedding can be made of a backbone."""
    if not 0 <= embedding.learned_stages <= len(shape.widths):
        return False
    return (
        1 <= embedding.learned_size <= embedding.learned_features(shape)
        and 0 <= embedding.colour_size <= COLOUR_BINS
        and 0 <= embedding.class_size < embedding.size
        and 0 <= embedding.class_head_size <= _MOST_HEAD
        and (embedding.class_size > 0 or not embedding.class_head_size)
        and embedding.pool_power >= 1.0
        and min(embedding.colour_weight, embedding.class_weight) >= 0.0
    )
