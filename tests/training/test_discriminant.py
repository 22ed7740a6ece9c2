"""Discriminant directions: kinds come together, scale and lone pictures do not matter, as by formula."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from desktop_app.training.discriminant import SHRINKAGE, discriminant


def _data(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Kinds differ along two of ten axes; another axis is loud and says nothing."""
    chance = torch.Generator().manual_seed(seed)
    kinds = torch.arange(6).repeat_interleave(20)
    rows = 0.3 * torch.randn(120, 10, generator=chance)
    rows[:, :2] += 2.0 * torch.randn(6, 2, generator=chance)[kinds]
    rows[:, 5] *= 20.0
    return rows, kinds


def _first_neighbour(rows: Tensor, kinds: Tensor) -> float:
    similarity = rows @ rows.T
    similarity.fill_diagonal_(-2.0)
    return float((kinds[similarity.argmax(dim=1)] == kinds).float().mean())


def test_kinds_come_together() -> None:
    rows, kinds = _data()
    mean, matrix = discriminant(rows, kinds, size=4, blocks=(4, 6))
    fresh, labels = _data(0)
    placed = F.normalize((fresh - mean) @ matrix, dim=1)
    plain = F.normalize(fresh - fresh.mean(dim=0), dim=1)
    assert _first_neighbour(placed, labels) > max(0.7, _first_neighbour(plain, labels))


def test_the_scale_of_a_block_and_pictures_alone_do_not_matter() -> None:
    rows, kinds = _data()
    mean, matrix = discriminant(rows, kinds, size=3, blocks=(4, 6))
    louder = torch.cat([rows[:, :4] * 50.0, rows[:, 4:]], dim=1)
    mean_b, matrix_b = discriminant(louder, kinds, size=3, blocks=(4, 6))
    first, second = (rows - mean) @ matrix, (louder - mean_b) @ matrix_b
    torch.testing.assert_close(first.abs(), second.abs(), atol=1e-3, rtol=1e-3)
    alone = torch.cat([rows, 100.0 * torch.ones(2, 10)]), torch.cat([kinds, torch.tensor([77, 78])])
    torch.testing.assert_close(discriminant(*alone, size=3, blocks=(4, 6))[1], matrix)


def test_it_agrees_with_the_formula_written_out() -> None:
    rows, kinds = _data(3)
    _, matrix = discriminant(rows, kinds, size=2, blocks=(10,))
    wide = rows.double() / rows.double().std()
    within = torch.zeros(10, 10, dtype=torch.float64)
    means = []
    for kind in range(6):
        members = wide[kinds == kind]
        means.append(members.mean(dim=0))
        for row in members:
            within += torch.outer(row - means[-1], row - means[-1]) / len(wide)
    within = (1 - SHRINKAGE) * within + SHRINKAGE * within.diagonal().mean() * torch.eye(10)
    spread = torch.zeros(10, 10, dtype=torch.float64)
    middle = torch.stack(means).mean(dim=0)
    for one in means:
        spread += torch.outer(one - middle, one - middle) / 6
    for column in range(
        2
    ):  # each direction solves spread v = ratio within v, of length sqrt(ratio / (ratio + 1))
        v = matrix[:, column].double() * rows.double().std()
        ratio = float(v @ spread @ v / (v @ within @ v))
        torch.testing.assert_close(spread @ v, ratio * within @ v, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(float(v @ within @ v), ratio / (ratio + 1), atol=1e-5, rtol=1e-4)


def test_more_directions_than_kinds_are_empty() -> None:
    rows, kinds = _data()
    _, matrix = discriminant(rows, kinds, size=8, blocks=(10,))
    assert matrix.shape == (10, 8) and matrix[:, 6:].abs().max() < 1e-3 * matrix.abs().max()
