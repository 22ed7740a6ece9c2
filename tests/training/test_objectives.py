"""Objectives that join losses: the parts and their weights."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from desktop_app.core.errors import UserInputError
from desktop_app.training.alike import AlikeSets
from desktop_app.training.config import METHODS, ContrastiveConfig, EncoderConfig, Loss, check_choices
from desktop_app.training.contrastive import ContrastiveTraining
from desktop_app.training.datasets import SmallPictures
from desktop_app.training.losses import nt_xent, sup_con
from desktop_app.training.objectives import Objective, PairBatch
from desktop_app.training.run_folder import RunFolder

JOINT = replace(ContrastiveConfig(), **METHODS["joint"], head_out=8)


def test_joint_objective_is_the_sum_of_its_parts() -> None:
    chance = torch.Generator().manual_seed(2)
    query, key = torch.randn(9, 8, generator=chance), torch.randn(9, 8, generator=chance)
    kinds = torch.tensor([0, 1, 2, 0, 3, 4, 5, 1, 6])
    first, second = F.normalize(query, dim=1), F.normalize(key, dim=1)
    people = sup_con(torch.cat([first, second]), kinds.repeat(2), temperature=JOINT.temperature)
    views = nt_xent(first, second, temperature=JOINT.temperature, kinds=kinds)
    joint = Objective(JOINT)(PairBatch(query, key, kinds))
    assert joint.item() == pytest.approx((people + JOINT.view_weight * views).item(), rel=1e-6)


def test_with_two_heads_each_has_its_own_loss() -> None:
    chance = torch.Generator().manual_seed(3)
    config = replace(JOINT, view_weight=0.7)
    query, key = torch.randn(6, 8, generator=chance), torch.randn(6, 8, generator=chance)
    both = F.normalize(torch.randn(12, 5, generator=chance), dim=1)
    kinds = torch.tensor([0, 1, 0, 2, 1, 3])
    found = Objective(config)(PairBatch(query, key, kinds.repeat(2), both))
    # Khosla et al. (2020), equation 2, and Chen et al. (2020), equation 1, with loops.
    views = [*F.normalize(query, dim=1), *F.normalize(key, dim=1)]
    total = 0.0
    for rows, alike, weight in (
        (
            list(both),
            [[j for j in range(12) if j != i and kinds[j % 6] == kinds[i % 6]] for i in range(12)],
            1.0,
        ),
        (views, [[(i + 6) % 12] for i in range(12)], 0.7),
    ):
        for i in range(12):
            below = sum(math.exp(float(rows[i] @ rows[k]) / config.temperature) for k in range(12) if k != i)
            logs = [float(rows[i] @ rows[j]) / config.temperature - math.log(below) for j in alike[i]]
            total -= weight * sum(logs) / len(logs) / 12
    assert found.item() == pytest.approx(total, rel=1e-4)


def test_a_head_for_kinds_needs_both_losses() -> None:
    encoder = EncoderConfig(class_size=16)
    with pytest.raises(UserInputError, match="over views"):
        check_choices(replace(ContrastiveConfig(), **METHODS["simclr"], encoder=encoder))
    check_choices(replace(ContrastiveConfig(), **METHODS["joint_sets"], encoder=encoder))


def test_a_margin_is_not_joined_with_views() -> None:
    with pytest.raises(UserInputError, match="triplet"):
        check_choices(replace(ContrastiveConfig(), loss=Loss.TRIPLET, view_weight=0.5))


def test_half_of_a_joint_batch_stands_beside_another_of_its_set(tmp_path: Path) -> None:
    pictures = SmallPictures(np.zeros((40, 3, 48, 48), dtype=np.uint8), np.ones(40))
    small = EncoderConfig(view_px=32, input_px=32, widths=(8,), blocks=(1,), embedding_size=8, colour_size=0)
    kinds = torch.arange(40)
    kinds[20:] //= 2  # every other picture of the second half has one partner, the first half stands alone
    alike = AlikeSets(torch.unique(kinds, return_inverse=True)[1])
    config = replace(JOINT, batch=16, encoder=small)
    training = ContrastiveTraining(config, pictures, RunFolder(tmp_path), alike=alike)
    rows = training.order.rows(0)
    mixed = training._beside_another(rows)
    assert len(mixed) == len(rows) and torch.equal(mixed[:8], rows[:8])
    for place in range(8):
        row, beside = int(mixed[place]), int(mixed[8 + place])
        has_partner = int((alike.kinds == alike.kinds[row]).sum()) > 1
        assert (alike.kinds[row] == alike.kinds[beside]) == has_partner
        assert has_partner or beside == int(rows[8 + place])
