"""A latent space whose single code means a face, and a mapping network that draws new ones.

An autoencoder leaves the rows of its W+ codes unrelated: each row has axes of its own. `rebase`
gives all rows the same axes, the principal components of everything the rows do to the generator's styles
(PCA as in GANSpace, Härkönen et al., 2020, but over styles and over all rows together). Afterwards a
photo's rows are nearly equal, so that one w repeated is a face (W), an encoder that answers with one w and
small deltas (e4e) loses little, and directions move all rows together. Nothing else changes: W+ codes reach
the same pictures as before. `fit_mapping` then trains the mapping network to draw such codes.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import Progress
from desktop_app.engine.networks.stylegan2 import EqualLinear, Generator, PixelNorm
from desktop_app.engine.ops.stylegan2_ops import ACTIVATION_GAIN
from desktop_app.training.generator import FaceAutoencoder
from desktop_app.training.logistic import discriminator_loss, squared_slope
from desktop_app.training.run_folder import Pace

OFFSET = 3.0  # the mapping network ends in a leaky ReLU: codes lie mostly on its straight side
REMAINDER_STD = 1.0  # what a row keeps for itself is scaled to at most this in each direction
SMALLEST_AXIS = 0.03  # of a row's largest: axes that move nothing must not need huge codes
R1_EVERY = 8


def style_layers(generator: Generator) -> list[list[EqualLinear]]:
    """The affine layers that read each row of a W+ code."""
    rows: list[list[EqualLinear]] = [[] for _ in range(generator.n_latent)]
    rows[0].append(generator.conv1.conv.modulation)
    rows[1].append(generator.to_rgb1.conv.modulation)
    for j, (up, same, rgb) in enumerate(generator.blocks()):
        rows[2 * j + 1].append(up.conv.modulation)
        rows[2 * j + 2].append(same.conv.modulation)
        rows[2 * j + 3].append(rgb.conv.modulation)
    return rows


@torch.no_grad()
def collect_codes(model: FaceAutoencoder, pictures: Tensor, *, steps: int = 3) -> Iterator[Tensor]:
    """W+ codes of pictures, 64 at a time: (N, 3, S, S) -> (n, L, D) each."""
    model.eval()
    for part in torch.split(pictures, 64):
        x = part.to(model.w_avg.device)
        y_hat, w_plus = model.start(len(x))
        for step in range(steps):
            w_plus = model.refine(x, y_hat, w_plus)
            if step + 1 < steps:
                y_hat = model.decode(w_plus)
        yield w_plus


@dataclass(frozen=True, slots=True)
class Rebased:
    """What `rebase` found.

    Attributes:
        codes: The single codes of the pictures in the new space, (N, D): mean `OFFSET`, variance 1.
        spread: Standard deviation of the styles along each axis, (D,), largest first.
        explained: Share of the styles' variance that single codes hold, [0, 1].
    """

    codes: Tensor
    spread: Tensor
    explained: float


@torch.no_grad()
def rebase(model: FaceAutoencoder, codes: Tensor) -> Rebased:
    """Give all rows the axes of the styles' principal components, in place.

    Styles are affine in a row, so the change is exact: the affine layers take the new axes in, the last
    layers of the encoder take their inverse. The average code becomes the mean of each row.

    Args:
        model: Autoencoder with an encoder that has one linear layer a row.
        codes: W+ codes of at least four times D pictures, (N, L, D).

    Raises:
        UserInputError: There are too few codes.
    """
    count, rows, size = codes.shape
    if count < 4 * size:
        raise UserInputError(
            f"{count} pictures are too few to find {size} axes.", f"Give at least {4 * size} pictures."
        )
    layers = style_layers(model.generator)
    affine = [torch.cat([layer.weight * layer.scale for layer in row]) for row in layers]
    means = codes.mean(dim=0)
    styles = torch.cat([(codes[:, i] - means[i]) @ affine[i].T for i in range(rows)], dim=1)
    _, values, axes = torch.linalg.svd(styles, full_matrices=False)
    spread = values[:size] / (count - 1) ** 0.5
    single = styles @ axes[:size].T / spread  # (N, D), unit variance
    explained = float(values[:size].square().sum() / values.square().sum())
    heads = [block.linear for block in model.style_blocks]
    for i in range(rows):
        basis = _row_basis(codes[:, i] - means[i], single)
        shift = means[i] - basis.sum(dim=1) * OFFSET
        for layer in layers[i]:
            layer.bias.add_((layer.weight * layer.scale) @ shift)
            layer.weight.copy_(layer.weight @ basis)
        inverse = torch.linalg.inv(basis)
        heads[i].weight.copy_(inverse @ heads[i].weight)
        heads[i].bias.copy_(inverse @ heads[i].bias)
    model.w_avg.fill_(OFFSET)
    return Rebased(single + OFFSET, spread, explained)


@torch.no_grad()
def single_codes(model: FaceAutoencoder, codes: Tensor) -> Rebased:
    """The one w for each photo whose styles are nearest to those of its rows; nothing is changed.

    For a model that was rebased before and was trained on since.

    Args:
        model: The autoencoder.
        codes: W+ codes, (N, L, D).
    """
    affine = [torch.cat([x.weight * x.scale for x in row]) for row in style_layers(model.generator)]
    grams = torch.stack([matrix.T @ matrix for matrix in affine])  # (L, D, D)
    moved = codes - model.w_avg
    wanted = torch.einsum("lde,nle->nd", grams, moved)
    total = grams.sum(dim=0)
    total = total + 1e-6 * total.diagonal().mean() * torch.eye(len(total))
    single = torch.linalg.solve(total, wanted.T).T
    kept = torch.einsum("nd,de,ne->", single, total, single)
    whole = torch.einsum("nld,lde,nle->", moved, grams, moved)
    spread = total.diagonal().sqrt() * single.std(dim=0)
    return Rebased(single + model.w_avg, spread, float(kept / whole))


def _row_basis(row: Tensor, single: Tensor) -> Tensor:
    """Matrix from new to old coordinates of a row, (D, D), invertible.

    The regression of the row on the single codes; singular values are raised where the row holds more
    of its own than the single codes explain, so that this remainder stays of unit size.
    """
    fit = torch.linalg.lstsq(single, row).solution.T  # (D old, D new)
    left, values, right = torch.linalg.svd(fit)
    remainder = (row - single @ fit.T) @ left  # in the directions of the left singular vectors
    own = remainder.square().mean(dim=0).sqrt() / REMAINDER_STD
    floor = float(values[0]) * SMALLEST_AXIS
    return left @ torch.diag(torch.maximum(values, own).clamp_min(floor)) @ right


class MappingTraining:
    """Fits the mapping network to single codes: a GAN of small networks plus an energy distance.

    Non-saturating loss with R1 (Mescheder et al., 2018) on codes, weighted by what each axis does to the
    styles; the energy distance (Székely and Rizzo, 2013) keeps mean and spread in place.

    Args:
        generator: Whose mapping network is fitted.
        codes: Single codes, (N, D).
        spread: Weight of each axis, (D,).
        iterations: Of both networks.
        seed: Of weights and draws.
    """

    def __init__(
        self, generator: Generator, codes: Tensor, spread: Tensor, *, iterations: int = 4_000, seed: int = 1
    ) -> None:
        self.random = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        self.generator, self.codes, self.iterations = generator, codes, iterations
        size = codes.shape[1]
        self.weight = spread.sqrt() / spread.sqrt().mean()
        depth = len(generator.style) - 1
        layers: list[nn.Module] = [PixelNorm()]
        layers += [EqualLinear(size, size, activate=True) for _ in range(depth)]
        self.mapping = nn.Sequential(*layers)
        with torch.no_grad():
            layers[-1].get_parameter("bias").fill_(OFFSET / ACTIVATION_GAIN)
        self.average = copy.deepcopy(self.mapping).requires_grad_(False)
        self.discriminator = nn.Sequential(
            EqualLinear(size, 2 * size, activate=True),
            EqualLinear(2 * size, 2 * size, activate=True),
            EqualLinear(2 * size, 1),
        )
        self.optimiser = torch.optim.Adam(self.mapping.parameters(), lr=1e-3, betas=(0.0, 0.99))
        self.d_optimiser = torch.optim.Adam(self.discriminator.parameters(), lr=1e-3, betas=(0.0, 0.99))

    def steps(self, batch: int = 192) -> Iterator[Progress]:
        """Train to the end, then put the averaged weights into the generator's mapping network."""
        pace = Pace(0, self.iterations)
        for iteration in range(self.iterations):
            pick = torch.randint(len(self.codes), (batch,), generator=self.random)
            real = (self.codes[pick] - OFFSET) * self.weight
            z = torch.randn(batch, self.codes.shape[1], generator=self.random)
            fake = (self.mapping(z) - OFFSET) * self.weight
            self._discriminate(real, fake.detach(), penalise=iteration % R1_EVERY == 0)
            distance = energy_distance(fake, real)
            loss = F.softplus(-self.discriminator(fake)).mean() + distance
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            with torch.no_grad():
                for kept, new in zip(self.average.parameters(), self.mapping.parameters(), strict=True):
                    kept.lerp_(new, max(0.002, 1.0 / (iteration + 1)))
            yield pace.progress(iteration + 1, f"energy distance {distance.item():.3f}")
        self._publish()

    def _discriminate(self, real: Tensor, fake: Tensor, *, penalise: bool) -> None:
        real = real.requires_grad_(penalise)
        score = self.discriminator(real)
        loss = discriminator_loss(score, self.discriminator(fake))
        if penalise:
            loss = loss + 0.5 * R1_EVERY * squared_slope(score, real)
        self.d_optimiser.zero_grad()
        loss.backward()
        self.d_optimiser.step()

    @torch.no_grad()
    def _publish(self) -> None:
        """The same function in the generator's layers, which have another learning-rate multiplier."""
        targets = [layer for layer in self.generator.style if isinstance(layer, EqualLinear)]
        sources = [layer for layer in self.average if isinstance(layer, EqualLinear)]
        for target, source in zip(targets, sources, strict=True):
            target.weight.copy_(source.weight * (source.lr_mul / target.lr_mul))
            target.bias.copy_(source.bias * (source.lr_mul / target.lr_mul))


def energy_distance(a: Tensor, b: Tensor) -> Tensor:
    """Energy distance of two samples, (m, D) and (n, D), without the pairs of a point with itself."""
    within_a = torch.cdist(a, a).sum() / (len(a) * (len(a) - 1))
    within_b = torch.cdist(b, b).sum() / (len(b) * (len(b) - 1))
    return 2 * torch.cdist(a, b).mean() - within_a - within_b
