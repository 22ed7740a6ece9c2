"""Muon against plain linear algebra, and on a problem it has to solve."""

from __future__ import annotations

import torch
from torch import nn

from desktop_app.training.muon import Muon, as_matrix, orthogonalised, suits_muon


def test_singular_values_come_near_one_and_their_vectors_stay() -> None:
    torch.manual_seed(0)
    for shape in ((24, 60), (60, 24), (32, 32)):
        left, values, right = torch.linalg.svd(torch.randn(shape), full_matrices=False)
        values = values.clamp_min(0.3 * values.max())  # as in the source: tiny ones come only part of the way
        result = orthogonalised(left @ torch.diag(values) @ right)
        turned = left.T @ result @ right.T
        diagonal = turned.diagonal()
        assert diagonal.min() > 0.6 and diagonal.max() < 1.3
        assert (turned - torch.diag(diagonal)).abs().max() < 0.05  # bfloat16


def test_a_step_has_the_size_of_adams() -> None:
    torch.manual_seed(0)
    kernel = nn.Parameter(torch.zeros(1, 32, 16, 3, 3))
    optimiser = Muon([kernel], lr=0.01)
    kernel.grad = torch.randn_like(kernel)
    optimiser.step()
    size = kernel.detach().square().mean().sqrt().item()
    assert 0.6 * 0.2 * 0.01 < size < 1.4 * 0.2 * 0.01


def test_it_solves_a_linear_problem() -> None:
    torch.manual_seed(0)
    x, wanted = torch.randn(256, 20), torch.randn(24, 20)
    matrix = nn.Parameter(torch.zeros(24, 20))
    optimiser = Muon([matrix], lr=0.2)
    for step in range(200):
        optimiser.param_groups[0]["lr"] = 0.2 * (1.0 - step / 200)  # steps have one size: the rate must fall
        loss = (x @ (matrix - wanted).T).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (matrix - wanted).abs().max() < 0.1


def test_kernels_are_matrices_and_heads_and_vectors_are_left_to_adam() -> None:
    assert as_matrix(torch.zeros(1, 20, 17, 3, 3)).shape == (20, 153)
    assert suits_muon("convs.0.conv.weight", nn.Parameter(torch.zeros(1, 20, 17, 3, 3)))
    assert not suits_muon("to_rgbs.0.conv.weight", nn.Parameter(torch.zeros(1, 3, 17, 1, 1)))
    assert not suits_muon("styles.3.convs.0.weight", nn.Parameter(torch.zeros(64, 64, 3, 3)))
    assert not suits_muon("bias", nn.Parameter(torch.zeros(64)))
    assert not suits_muon("input.input", nn.Parameter(torch.zeros(1, 64, 4, 4)))
