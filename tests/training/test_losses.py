"""Each loss against the plain formula, written out with loops."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from desktop_app.training.losses import (
    alignment,
    byol,
    dino,
    info_nce,
    n_pair,
    nt_xent,
    pair_margin,
    sup_con,
    triplet_margin,
    uniformity,
    vicreg,
)

KINDS = torch.tensor([0, 1, 0, 2, 1, 0, 3])


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


def test_hard_negatives_leave_out_the_easy_ones() -> None:
    first, second = _unit(6, 5, seed=1), _unit(6, 5, seed=2)
    both, count = torch.cat([first, second]), 6
    total = 0.0
    for i, query in enumerate(both):
        j = (i + count) % (2 * count)
        unlike = sorted((float(query @ both[k]) for k in range(2 * count) if k not in (i, j)), reverse=True)
        above = math.exp(float(query @ both[j]) / 0.2)
        total -= math.log(above / (above + sum(math.exp(value / 0.2) for value in unlike[:3])))
    loss = nt_xent(first, second, temperature=0.2, hardest=0.3)  # 3 of 10
    assert loss.item() == pytest.approx(total / 12, rel=1e-9)


def test_sup_con_agrees_with_the_formula() -> None:
    rows = _unit(7, 5, seed=4)
    terms = []
    for i, query in enumerate(rows):
        alike = [j for j in range(7) if j != i and KINDS[j] == KINDS[i]]
        if alike:
            below = sum(math.exp(float(query @ rows[k]) / 0.3) for k in range(7) if k != i)
            logs = [math.log(math.exp(float(query @ rows[j]) / 0.3) / below) for j in alike]
            terms.append(-sum(logs) / len(alike))
    assert sup_con(rows, KINDS, temperature=0.3).item() == pytest.approx(sum(terms) / len(terms), rel=1e-6)


def test_pair_margin_agrees_with_the_formula() -> None:
    rows = _unit(7, 5, seed=5)
    pull, push = [], []
    for i in range(7):
        for j in range(7):
            cosine = float(rows[i] @ rows[j])
            if i != j and KINDS[i] == KINDS[j]:
                pull.append(1.0 - cosine)
            elif i != j:
                push.append(max(0.0, cosine - 0.1))
    active = [value for value in push if value > 0]
    wanted = sum(pull) / len(pull) + sum(active) / len(active)
    assert pair_margin(rows, KINDS, margin=0.1).item() == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("semi_hard", [False, True])
def test_triplets_agree_with_the_formula_of_facenet(semi_hard: bool) -> None:
    rows = _unit(7, 5, seed=6)
    terms = []
    for i in range(7):
        for j in range(7):
            for k in range(7):
                if i == j or KINDS[i] != KINDS[j] or KINDS[k] == KINDS[i]:
                    continue
                near = float((rows[i] - rows[j]).square().sum())
                far = float((rows[i] - rows[k]).square().sum())
                if semi_hard and not near < far <= near + 0.5:
                    continue
                terms.append(max(0.0, near - far + 0.5))
    active = [term for term in terms if term > 0]
    assert active
    loss = triplet_margin(rows, KINDS, margin=0.5, semi_hard=semi_hard)
    assert loss.item() == pytest.approx(sum(active) / len(active), rel=1e-6)


def test_triplets_that_keep_the_margin_cost_nothing_and_still_have_a_gradient() -> None:
    rows = torch.eye(4)[[0, 0, 1, 1]].requires_grad_()
    loss = triplet_margin(rows, torch.tensor([0, 0, 1, 1]), margin=0.2, semi_hard=True)
    loss.backward()
    assert loss.item() == 0.0


def test_n_pair_agrees_with_the_formula() -> None:
    first, second = _unit(7, 5, seed=7), _unit(7, 5, seed=8)
    chosen = [0, 1, 3, 6]  # the first pair of each kind
    total = 0.0
    for i in chosen:
        unlike = sum(math.exp(float(first[i] @ (second[j] - second[i])) / 0.2) for j in chosen if j != i)
        total += math.log(1.0 + unlike)
    assert n_pair(first, second, KINDS, temperature=0.2).item() == pytest.approx(total / 4, rel=1e-9)


def test_byol_agrees_with_the_formula() -> None:
    prediction, target = _unit(6, 4, seed=1), _unit(6, 4, seed=2)
    wanted = sum(float((p - t).square().sum()) for p, t in zip(prediction, target, strict=True)) / 6
    assert byol(prediction, target).item() == pytest.approx(wanted, rel=1e-9)


def test_dino_agrees_with_the_formula() -> None:
    student, teacher = _unit(5, 8, seed=1), _unit(5, 8, seed=2)
    total = 0.0
    for s, t in zip(student.tolist(), teacher.tolist(), strict=True):
        wanted = [math.exp(v / 0.05) for v in t]
        given = [math.exp(v / 0.1) for v in s]
        total -= sum(w / sum(wanted) * math.log(g / sum(given)) for w, g in zip(wanted, given, strict=True))
    loss = dino(student, teacher, temperature=0.1, teacher_temperature=0.05)
    assert loss.item() == pytest.approx(total / 5, rel=1e-9)


def test_vicreg_agrees_with_the_formula() -> None:
    chance = torch.Generator().manual_seed(3)
    first, second = torch.randn(2, 6, 4, generator=chance, dtype=torch.float64) * 0.7
    count, size = first.shape
    wanted = 25.0 * sum((float(first[i, d] - second[i, d])) ** 2 for i in range(6) for d in range(4)) / 24
    for rows in (first, second):
        means = [float(rows[:, d].sum()) / count for d in range(size)]

        def moment(a: int, b: int, rows: Tensor = rows, means: list[float] = means) -> float:
            return sum((float(r[a]) - means[a]) * (float(r[b]) - means[b]) for r in rows) / (len(rows) - 1)

        spread = [max(0.0, 1.0 - math.sqrt(moment(d, d) + 1e-4)) for d in range(size)]
        wanted += 25.0 * sum(spread) / size / 2.0
        wanted += sum(moment(a, b) ** 2 for a in range(size) for b in range(size) if a != b) / size
    assert vicreg(first, second).item() == pytest.approx(wanted, rel=1e-6)


def test_vicreg_sees_a_collapse() -> None:
    same = torch.ones(8, 4)
    apart = torch.randn(8, 4, generator=torch.Generator().manual_seed(1)) * 2.0
    assert vicreg(same, same) > vicreg(apart, apart) + 10.0


def test_nt_xent_leaves_out_its_own_kind_as_negatives() -> None:
    first, second, kinds = _unit(7, 5, seed=1), _unit(7, 5, seed=2), KINDS.repeat(2)
    both = [*first, *second]
    total = 0.0
    for i, query in enumerate(both):
        j = (i + 7) % 14
        counted = [k for k in range(14) if k == j or kinds[k] != kinds[i]]
        below = sum(math.exp(float(query @ both[k]) / 0.2) for k in counted)
        total -= math.log(math.exp(float(query @ both[j]) / 0.2) / below)
    loss = nt_xent(first, second, temperature=0.2, kinds=KINDS)
    assert loss.item() == pytest.approx(total / 14, rel=1e-9)
