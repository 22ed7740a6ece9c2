"""Feature maps of an encoder, their patches compared between two photos, and what a similarity is made of."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from desktop_app.core.types import FloatArray, Image
from desktop_app.engine.embed.embedder import Embedder
from desktop_app.engine.embed.photo_encoder import PhotoEncoder
from desktop_app.engine.embed.resnet50_encoder import ResNet50
from desktop_app.engine.embed.tower import TowerEncoder
from desktop_app.engine.embed.tuned_encoder import TunedNetwork
from desktop_app.engine.networks.contrastive_heads import Whitening

# Patches of the built-in encoder's maps are joined at this side: fine enough to point, coarse enough to mean.
_GRID = 12
_MATCHES = 6
_LEAST_MATCH = 0.35
_LEAST_APART = 2.0  # patches between two shown matches
# A place that is like the rims of both photos, mostly background, is worth so much less, and one at a rim;
# one unlike the average of all is worth more; matches worth less than the least are not shown. Chosen on 80
# pairs of yellow flowers: both places lie on a flower in .70 of the matches, .42 without all this; matches
# of random photos fall from 1.8 to .6 a pair.
_COMMON_COST = 2.0
_RIM_COST = 0.15
_OUTSTANDING = 0.1
_LEAST_WORTH = 0.2
# A stage that adds less than this between two equal photos, or even takes away, has no bar that could be
# full: it reads "0.00 of 0.00" and its share is rounding.
_LEAST_MOST = 0.02


@dataclass(frozen=True, slots=True)
class Match:
    """Two places that look alike, as shares of width and height, and their similarity."""

    first: tuple[float, float]
    second: tuple[float, float]
    similarity: float


@dataclass(frozen=True, slots=True)
class PartFacts:
    """A part of an embedding: what it adds to a similarity, and what it adds where two photos are equal."""

    name: str
    added: float
    most: float


@dataclass(frozen=True, slots=True)
class PairFacts:
    """What was found of a pair.

    Attributes:
        similarity: Inner product of the embeddings.
        heats: For each photo (h, w) in [0, 1]: how well each place finds its like in the other; None
            where the encoder has no maps.
        matches: The best pairs of places, the best first.
        parts: Parts of the embedding; what they add is the similarity.
    """

    similarity: float
    heats: tuple[FloatArray, FloatArray] | None
    matches: tuple[Match, ...]
    parts: tuple[PartFacts, ...]


def compare_pair(embedder: Embedder, first: Image, second: Image) -> PairFacts:
    """Compare two pictures.

    Args:
        embedder: The encoder.
        first: (H, W, 3) uint8.
        second: (H, W, 3) uint8.
    """
    batch = np.stack([embedder.prepare(first), embedder.prepare(second)])
    x, network = embedder.to_input(batch), embedder.network
    embedding = embedder.embed_prepared(batch)
    similarity = float(np.clip(embedding[0] @ embedding[1], -1.0, 1.0))
    with torch.inference_mode():
        maps = feature_map(network, x)
        parts = similarity_parts(network, x, similarity=similarity)
    if maps is None:
        return PairFacts(similarity, None, (), parts)
    heats, matches = match_patches(maps[0], maps[1])
    return PairFacts(similarity, heats, matches, parts)


def compare_in_place(
    embedder: Embedder, first: Image, second: Image
) -> tuple[tuple[FloatArray, FloatArray], tuple[Match, ...]] | None:
    """Heat maps and matches of two pictures of the same part of a scene; None without maps."""
    x = embedder.to_input(np.stack([embedder.prepare(first), embedder.prepare(second)]))
    with torch.inference_mode():
        maps = feature_map(embedder.network, x)
    return None if maps is None else match_in_place(maps[0], maps[1])


def feature_map(network: object, x: Tensor) -> Tensor | None:
    """A map of features, (B, C, h, w), or None where a network has none that is known."""
    if isinstance(network, TunedNetwork):
        return feature_map(network.base, x)
    if isinstance(network, PhotoEncoder):
        maps = network.backbone(x.contiguous(memory_format=torch.channels_last))
        # The finest map holds edges only; the later ones know parts and forms.
        return _joined(maps[1:] if len(maps) > 1 else maps)
    if isinstance(network, TowerEncoder):
        return feature_map(network.network, x)
    if isinstance(network, ResNet50):
        return _resnet50_map(network, x)
    if isinstance(network, nn.Module) and hasattr(network, "forward_features"):
        return _timm_map(network, x)
    return None


def match_patches(first: Tensor, second: Tensor) -> tuple[tuple[FloatArray, FloatArray], tuple[Match, ...]]:
    """Each patch of one map against all of the other.

    Args:
        first: (C, h, w).
        second: (C, h, w).

    Returns:
        Two heat maps, (h, w) in [0, 1], and the best mutual matches.
    """
    height, width = first.shape[1:]
    (a, b), outstanding = _patches(first, second)
    similarity = a @ b.T
    best_a, best_b = similarity.max(dim=1), similarity.max(dim=0)
    heats = tuple(
        best.values.clamp(0.0, 1.0).reshape(height, width).cpu().numpy().astype(np.float32)
        for best in (best_a, best_b)
    )
    mutual = best_b.indices[best_a.indices] == torch.arange(len(a), device=a.device)
    strength = torch.where(mutual, best_a.values, torch.full_like(best_a.values, -1.0))
    worth = strength + outstanding
    worth -= _commonness(a, b, best_a.indices, rim=_rim(height, width).to(a.device))
    return (heats[0], heats[1]), _chosen(strength, worth, best_a.indices, size=(height, width))


def match_in_place(first: Tensor, second: Tensor) -> tuple[tuple[FloatArray, FloatArray], tuple[Match, ...]]:
    """As `match_patches`, of maps that show the same: each patch is held against the one at its own place."""
    height, width = first.shape[1:]
    (a, b), outstanding = _patches(first, second)
    strength = (a * b).sum(dim=1)
    heat = strength.clamp(0.0, 1.0).reshape(height, width).cpu().numpy().astype(np.float32)
    own = torch.arange(len(a), device=a.device)
    worth = strength + outstanding - _commonness(a, b, own, rim=_rim(height, width).to(a.device))
    return (heat, heat.copy()), _chosen(strength, worth, own, size=(height, width))


def _patches(first: Tensor, second: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Patches of two maps as unit vectors, (P, C) each, and a bonus for those of the first that stand out."""
    flat = [one.float().flatten(1).T for one in (first, second)]
    # What all patches of both photos share tells nothing: only what differs from it is compared.
    mean = torch.cat(flat).mean(dim=0)
    a, b = (F.normalize(one - mean, dim=1, eps=1e-6) for one in flat)
    away = (flat[0] - mean).norm(dim=1)
    outstanding = (away / away.mean().clamp_min(1e-6)).clamp(max=2.0) - 1.0
    return (a, b), outstanding * _OUTSTANDING


def _commonness(a: Tensor, b: Tensor, other: Tensor, *, rim: Tensor) -> Tensor:
    """How little it tells that a patch of `a` and its `other` in `b` match: how like the rims both are.

    Background matches background of any photo, and it is what stands at the rims; there, moreover, all
    photos look alike to a network that fills up with zeros.
    """
    around = rim > 0 if bool((rim > 0).any()) else torch.ones_like(rim, dtype=torch.bool)
    rims = torch.cat([a[around], b[around]]).T
    common = [(one @ rims).clamp_min(0.0).mean(dim=1) for one in (a, b)]
    return (common[0] + common[1][other]) * _COMMON_COST / 2.0 + (rim + rim[other]) * _RIM_COST


def _chosen(strength: Tensor, worth: Tensor, other: Tensor, *, size: tuple[int, int]) -> tuple[Match, ...]:
    """The matches that tell most, apart from each other, the best first."""
    height, width = size
    matches: list[Match] = []
    places: list[tuple[int, int]] = []
    for number in torch.argsort(-worth).tolist():
        if len(matches) == _MATCHES or worth[number] < _LEAST_WORTH:
            break
        spot = divmod(number, width)
        is_apart = all(np.hypot(spot[0] - y, spot[1] - x) >= _LEAST_APART for y, x in places)
        if strength[number] >= _LEAST_MATCH and is_apart:
            places.append(spot)
            there = divmod(int(other[number]), width)
            matches.append(
                Match(_share(spot, height, width), _share(there, height, width), float(strength[number]))
            )
    return tuple(matches)


def similarity_parts(network: object, x: Tensor, *, similarity: float) -> tuple[PartFacts, ...]:
    """What a similarity is made of, for encoders whose parts are known; the parts add up to it.

    The learned part of the built-in encoder is linear in its pooled stages: each stage's share is its
    part of one embedding times the other whole, meant over both ways. Stages that would add next to
    nothing between two equal photos are joined with their neighbours.
    """
    if not isinstance(network, PhotoEncoder):
        return ()
    shape = network.embedding
    whole = network.branches(x)
    shares = {
        "kinds of things": (whole.kinds, shape.class_weight**2),
        "colours": (whole.colours, shape.colour_weight**2),
    }
    total = 1.0 + sum(weight for part, weight in shares.values() if part is not None)
    parts = _stage_parts(network, x, total=total)
    for name, (part, weight) in shares.items():
        if part is not None:
            parts.append(PartFacts(name, float(part[0] @ part[1]) * weight / total, weight / total))
    # Rounding of half-precision weights apart, the parts are the similarity; the rest is spread evenly.
    rest = (similarity - sum(part.added for part in parts)) / len(parts)
    return tuple(replace(part, added=part.added + rest) for part in parts)


def _joined_parts(stages: list[PartFacts]) -> list[PartFacts]:
    """Stages with `_LEAST_MOST` or more each: a lesser one joins the next, the last the one before."""
    joined: list[PartFacts] = []
    added = most = 0.0
    for stage in stages:
        added, most = added + stage.added, most + stage.most
        if most >= _LEAST_MOST:
            joined.append(PartFacts(stage.name, added, most))
            added = most = 0.0
    if not joined:
        return [PartFacts(stages[-1].name, added, most)]
    joined[-1] = replace(joined[-1], added=joined[-1].added + added, most=joined[-1].most + most)
    return joined


def _stage_parts(network: PhotoEncoder, x: Tensor, *, total: float) -> list[PartFacts]:
    pieces = _stage_pieces(network, x)  # (S, 2, D)
    whole = pieces.sum(dim=0)
    lengths = whole.norm(dim=1).clamp_min(1e-6)  # (2,)
    scale = float(lengths[0] * lengths[1]) * total
    parts = []
    for number, piece in enumerate(pieces):
        added = float(piece[0] @ whole[1] + whole[0] @ piece[1]) / 2.0 / max(scale, 1e-12)
        own = float(((piece * whole).sum(dim=1) / lengths.square()).mean()) / total
        parts.append(PartFacts(f"stage {number + 1} of {len(pieces)}", added, own))
    return _joined_parts(parts)


def _stage_pieces(network: PhotoEncoder, x: Tensor) -> Tensor:
    whitening: Whitening = network.whitening
    features = network.features(x) - whitening.mean
    pieces, start = [], 0
    for one in network.backbone.shape.widths[: network.embedding.learned_stages or None]:
        part = torch.zeros_like(features)
        part[:, start : start + one] = features[:, start : start + one]
        pieces.append(part @ whitening.matrix)
        start += one
    return torch.stack(pieces)


def _joined(maps: list[Tensor]) -> Tensor:
    """Maps of several stages at one size, each stage of the same strength."""
    sized = [F.interpolate(one.float(), size=(_GRID, _GRID), mode="area") for one in maps]
    return torch.cat([one / one.norm(dim=1).mean().clamp_min(1e-6) for one in sized], dim=1)


def _resnet50_map(network: ResNet50, x: Tensor) -> Tensor:
    y = network.maxpool(torch.relu(network.bn1(network.conv1(x))))
    for name, group in network.named_children():
        if name.startswith("layer"):
            y = group(y)
    return y


def _timm_map(network: nn.Module, x: Tensor) -> Tensor | None:
    """What timm calls features: maps, (B, h, w, C) maps of Swin-like models, or tokens of a ViT."""
    features = network.forward_features(x)  # type: ignore[operator]
    if not isinstance(features, Tensor):
        return None
    if features.ndim == 4:
        is_last = features.shape[-1] == getattr(network, "num_features", -1) != features.shape[1]
        return features.permute(0, 3, 1, 2) if is_last else features
    if features.ndim != 3:
        return None
    tokens = features[:, int(getattr(network, "num_prefix_tokens", 0)) :]
    side = round(tokens.shape[1] ** 0.5)
    if side * side != tokens.shape[1]:
        return None
    return tokens.transpose(1, 2).reshape(len(tokens), -1, side, side)


def _rim(height: int, width: int) -> Tensor:
    """1 at the outermost patches of a map that has others, else 0; (h * w,)."""
    rim = torch.zeros(height, width)
    if min(height, width) > 2:
        rim[[0, -1], :] = 1.0
        rim[:, [0, -1]] = 1.0
    return rim.flatten()


def _share(spot: tuple[int, int], height: int, width: int) -> tuple[float, float]:
    return (spot[1] + 0.5) / width, (spot[0] + 0.5) / height
