"""Batches of sets: members come together, families get their turn, seed and step say it all."""

from __future__ import annotations

import pytest
import torch

from desktop_app.training.alike import AlikeSets
from desktop_app.training.set_order import SetOrder

# Family 0: sets 0 and 1 of 40 and 10 pictures; family 1: set 2 of 30; then 40 pictures that stand alone.
KINDS = torch.cat([torch.zeros(40), torch.ones(10), torch.full((30,), 2), torch.arange(3, 43)]).long()
FAMILIES = torch.cat([torch.zeros(50), torch.ones(30), torch.full((40,), 2)]).long()
SETS = AlikeSets(KINDS, FAMILIES)


def _order(in_sets: float = 0.75, seed: int = 0, sets: AlikeSets = SETS) -> SetOrder:
    return SetOrder(sets, batch=32, in_sets=in_sets, members=4, seed=seed)


def test_a_batch_holds_each_picture_once_and_sets_in_fours() -> None:
    order = _order()
    for step in range(30):
        rows = order.rows(step)
        assert len(rows) == 32 == len(set(rows.tolist()))
        in_sets = rows[rows < 80]
        assert 8 <= len(in_sets) <= 24 and len(rows[rows >= 80]) >= 8
        counts = torch.bincount(KINDS[in_sets])
        assert int(counts[counts > 0].min()) >= 4


def test_order_follows_from_seed_and_step_alone() -> None:
    order, again = _order(), _order()
    order.rows(3)
    assert torch.equal(order.rows(7), again.rows(7))
    assert not torch.equal(order.rows(7), order.rows(8))
    assert not torch.equal(order.rows(7), _order(seed=1).rows(7))


def test_families_and_sets_are_drawn_by_the_root_of_their_size() -> None:
    order = SetOrder(SETS, batch=32, in_sets=0.125, members=4, seed=5)  # one draw a step
    found = torch.zeros(3)
    for step in range(1500):
        rows = order.rows(step)
        found[KINDS[rows[rows < 80]][0]] += 1
    family = torch.tensor([50.0, 30.0]).sqrt()
    family = family / family.sum()
    inside = torch.tensor([40.0, 10.0]).sqrt()
    inside = inside / inside.sum()
    expected = torch.stack([family[0] * inside[0], family[0] * inside[1], family[1]])
    assert (found / 1500 - expected).abs().max() < 0.04


@pytest.mark.parametrize("in_sets", [0.5, 1.0])
def test_where_nothing_stands_alone_sets_fill_the_batch(in_sets: float) -> None:
    order = _order(in_sets, sets=AlikeSets(torch.arange(60) // 5))
    rows = order.rows(0)
    assert len(rows) == 32 == len(set(rows.tolist()))
