"""Each loss against the plain formula, written out with loops."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from desktop_app.training.losses import alignment, info_nce, nt_xent, uniformity


def _unit(*shape: int, seed: int) -> Tensor:
    chance = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, generator=chance, dtype=torch.float64), dim=-1)


def _slow_nt_xent(first: Tensor, second: Tensor, temperature: float) -> float:
    both = [*first, *second]
    count = len(first)
    total = 0.0
    for i, query in enumerate(both):
        j = (i + count) % (2 * count)
        above = math.exp(float(query @ both[j]) / temperature)
        below = sum(math.exp(float(query @ both[k]) / temperature) for k in range(2 * count) if k != i)
        total -= math.log(above / below)
    return total / (2 * count)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_nt_xent_agrees_with_the_formula_of_simclr(temperature: float) -> None:
    first, second = _unit(7, 5, seed=1), _unit(7, 5, seed=2)
    loss = nt_xent(first, second, temperature=temperature)
    assert loss.item() == pytest.approx(_slow_nt_xent(first, second, temperature), rel=1e-9)


def test_info_nce_agrees_with_the_formula_of_moco() -> None:
    query, key, queue = _unit(6, 4, seed=1), _unit(6, 4, seed=2), _unit(9, 4, seed=3).T
    total = 0.0
    for q, k in zip(query, key, strict=True):
        above = math.exp(float(q @ k) / 0.2)
        total -= math.log(above / (above + sum(math.exp(float(q @ n) / 0.2) for n in queue.T)))
    assert info_nce(query, key, queue, temperature=0.2).item() == pytest.approx(total / 6, rel=1e-9)


def test_losses_fall_when_the_views_come_closer() -> None:
    first, other = _unit(8, 6, seed=1), _unit(8, 6, seed=2)
    near = F.normalize(first + 0.1 * other, dim=1)
    assert nt_xent(first, near, temperature=0.1) < nt_xent(first, other, temperature=0.1)
    queue = _unit(20, 6, seed=3).T
    assert info_nce(first, near, queue, temperature=0.1) < info_nce(first, other, queue, temperature=0.1)


def test_gradient_of_nt_xent_pulls_the_views_together() -> None:
    raw = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(3)).requires_grad_()
    first, second = F.normalize(raw, dim=2)
    before = alignment(first, second).item()
    nt_xent(first, second, temperature=0.5).backward()
    assert raw.grad is not None
    first, second = F.normalize(raw.detach() - 0.5 * raw.grad, dim=2)
    assert alignment(first, second).item() < before


def test_alignment_and_uniformity_of_known_places() -> None:
    one = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert alignment(one, -one).item() == pytest.approx(4.0)
    assert alignment(one, one).item() == 0.0
    collapsed = torch.tensor([[1.0, 0.0]]).expand(5, 2).contiguous()
    assert uniformity(collapsed).item() == pytest.approx(0.0)
    assert uniformity(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).item() == pytest.approx(-8.0)  # -2 * 2 ** 2
