"""Edit directions found without labels: closed-form factorisation, and principal directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from desktop_app.core.types import FloatArray
from desktop_app.engine.networks.stylegan2 import Generator


@dataclass(frozen=True, slots=True)
class Factorisation:
    """Answer of SeFa.

    Attributes:
        eigenvalues: (D,) float64, descending.
        directions: (D, D) float32, one unit direction a row, in the same order.
        layers: The layers whose weights were factorised.
    """

    eigenvalues: np.ndarray
    directions: FloatArray
    layers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PrincipalDirections:
    """Answer of a principal component analysis.

    Attributes:
        mean: Mean code, of a code's shape.
        components: (K, *shape) float32, unit norm each, descending variance.
        std: (K,) standard deviation of the codes along each.
        explained: (K,) share of the whole variance.
    """

    mean: FloatArray
    components: FloatArray
    std: FloatArray
    explained: FloatArray


def modulation_weights(generator: Generator) -> list[Tensor]:
    """Style weights by layer as in the official tool: conv1, every conv, then the last ToRGB.

    Returns:
        n_latent tensors (in, D). Layer i is steered by row i of a W+ code; the other ToRGB layers
        share their row with the next block's first convolution and are left out.
    """
    layers = [generator.conv1.conv]
    layers += [layer.conv for layer in generator.convs]  # type: ignore[misc]
    layers.append(generator.to_rgbs[-1].conv)  # type: ignore[arg-type]
    return [layer.modulation.weight.detach() for layer in layers]


def conv_modulation_weights(generator: Generator) -> list[Tensor]:
    """Style weights of all 3x3 convolutions, without a ToRGB, as the e4e port takes them."""
    return modulation_weights(generator)[:-1]


def factorise(weights: Sequence[Tensor], layers: Sequence[int] | None = None) -> Factorisation:
    """Closed-form factorisation of style weights (SeFa; Shen and Zhou, 2021).

    The transposed weights of the chosen layers are stacked, every column is normalised, and the
    eigenvectors of A A^T by descending eigenvalue are the directions. Signs are arbitrary in
    theory; here the largest entry of each is positive, so that two runs agree.

    Args:
        weights: (in, D) per layer, from `modulation_weights`.
        layers: Which layers; None: all.
    """
    chosen = tuple(range(len(weights))) if layers is None else tuple(layers)
    if not chosen or not all(0 <= k < len(weights) for k in chosen):
        raise ValueError(f"layers must lie in 0..{len(weights) - 1}, got {chosen}")
    stacked = torch.cat([weights[k].double().cpu().T for k in chosen], dim=1)  # (D, sum of in)
    stacked = stacked / stacked.norm(dim=0, keepdim=True).clamp_min(1e-12)
    values, vectors = torch.linalg.eigh(stacked @ stacked.T)  # ascending
    order = torch.arange(len(values) - 1, -1, -1)
    directions = vectors[:, order].T.numpy()
    return Factorisation(values[order].numpy(), _with_fixed_sign(directions).astype(np.float32), chosen)


def parse_layers(text: str, count: int) -> tuple[int, ...]:
    """Layers of a text such as `all`, `3` or `0-1,4`.

    Raises:
        ValueError: The text names no layers of 0..count-1.
    """
    if text.strip() == "all":
        return tuple(range(count))
    chosen: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        chosen.update(range(int(first), int(last or first) + 1))
    if not chosen or min(chosen) < 0 or max(chosen) >= count:
        raise ValueError(f"layers must lie in 0..{count - 1}, got {text!r}")
    return tuple(sorted(chosen))


def principal_directions(codes: FloatArray, count: int) -> PrincipalDirections:
    """Principal component analysis of codes (GANSpace; Härkönen et al., 2020).

    Args:
        codes: (N, D) w codes, or (N, L, D) W+ codes, which are analysed as wholes.
        count: Directions wanted; fewer when there are not enough codes.

    Raises:
        ValueError: There are fewer than two codes.
    """
    if len(codes) < 2:
        raise ValueError("at least two codes are needed")
    shape = codes.shape[1:]
    flat = codes.reshape(len(codes), -1).astype(np.float64)
    mean = flat.mean(axis=0)
    _, singular, components = np.linalg.svd(flat - mean, full_matrices=False)
    variances = singular**2 / (len(codes) - 1)
    kept = min(count, len(codes) - 1, components.shape[0])
    directions = _with_fixed_sign(components[:kept])
    return PrincipalDirections(
        mean=mean.reshape(shape).astype(np.float32),
        components=directions.reshape(kept, *shape).astype(np.float32),
        std=np.sqrt(variances[:kept]).astype(np.float32),
        explained=(variances[:kept] / max(variances.sum(), 1e-12)).astype(np.float32),
    )


def _with_fixed_sign(directions: np.ndarray) -> np.ndarray:
    """Each row with its largest entry positive."""
    largest = np.abs(directions).argmax(axis=1)
    signs = np.sign(directions[np.arange(len(directions)), largest])
    return directions * np.where(signs == 0, 1.0, signs)[:, None]
