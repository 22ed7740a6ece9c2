"""The kinds that were marked: what tells them is fitted on marks alone, and only where they say something."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from desktop_app.engine.embed.tuned_head import MetricHead
from desktop_app.training.tune_kinds import KIND_SHARE, MOST_KINDS, PENALTY_C, fit_kinds
from desktop_app.training.tune_start import Grouping

SIZE = 16


def _library(kinds: int, members: int) -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(0)
    centres = F.normalize(torch.randn(kinds, SIZE, generator=chance), dim=1)
    kind = torch.arange(kinds).repeat_interleave(members)
    rows = centres[kind] + 0.2 * torch.randn(len(kind), SIZE, generator=chance)
    return F.normalize(rows, dim=1), kind


def _marked(kind: Tensor, members: int, *, stretch: float = 3.0) -> Grouping:
    rows = torch.cat([(kind == one).nonzero().flatten()[:members] for one in kind.unique()])
    return Grouping(rows, kind[rows], stretch)


def test_probabilities_are_those_of_a_plain_classifier() -> None:
    placed, kind = _library(5, 20)
    kinds = fit_kinds(placed, [_marked(kind, 4)], covered=1.0)
    assert kinds is not None and kinds.share == KIND_SHARE and kinds.weight.shape == (5, SIZE)
    rows = _marked(kind, 4).rows
    plain = LogisticRegression(C=PENALTY_C, max_iter=1000).fit(
        placed[rows].double().numpy(), kind[rows].numpy()
    )
    found = F.softmax(placed @ kinds.weight.T + kinds.bias, dim=1)
    assert np.allclose(found.numpy(), plain.predict_proba(placed.double().numpy()), atol=1e-3)
    rest = torch.ones(len(kind), dtype=torch.bool)
    rest[rows] = False
    assert float((found.argmax(dim=1) == kind)[rest].float().mean()) > 0.9


def test_two_kinds_have_a_row_each() -> None:
    placed, kind = _library(2, 20)
    kinds = fit_kinds(placed, [_marked(kind, 5)], covered=1.0)
    assert (
        kinds is not None
        and kinds.weight.shape == (2, SIZE)
        and kinds.share == KIND_SHARE
        and kinds.count == 2
    )
    rows = _marked(kind, 5).rows
    plain = LogisticRegression(C=PENALTY_C, max_iter=1000).fit(
        placed[rows].double().numpy(), kind[rows].numpy()
    )
    found = F.softmax(placed @ kinds.weight.T + kinds.bias, dim=1)
    assert np.allclose(found.numpy(), plain.predict_proba(placed.double().numpy()), atol=1e-3)


def test_sets_that_say_less_about_each_other_count_less() -> None:
    placed, kind = _library(4, 20)
    kinds = fit_kinds(placed, [_marked(kind, 5, stretch=1.0), _marked(kind, 3, stretch=0.0)], covered=1.0)
    assert kinds is not None and abs(kinds.share - KIND_SHARE / 3.0) < 1e-6


def test_a_large_set_weighs_no_more_than_a_small_one() -> None:
    placed, kind = _library(3, 60)
    even = _marked(kind, 5)
    rows = torch.cat(
        [(kind == 0).nonzero().flatten()[:45], *((kind == k).nonzero().flatten()[:5] for k in (1, 2))]
    )
    uneven = Grouping(rows, kind[rows], 3.0)
    shares = []
    for grouping in (even, uneven):
        kinds = fit_kinds(placed, [grouping], covered=1.0)
        assert kinds is not None
        shares.append(F.softmax(placed @ kinds.weight.T + kinds.bias, dim=1).mean(dim=0))
    assert torch.allclose(shares[0], shares[1], atol=0.06)


def test_nothing_is_told_where_nothing_is_known() -> None:
    placed, kind = _library(4, 20)
    assert fit_kinds(placed, [], covered=1.0) is None
    assert fit_kinds(placed, [_marked(kind, 4, stretch=0.0)], covered=1.0) is None
    one = (kind == 0).nonzero().flatten()
    assert fit_kinds(placed, [Grouping(one, kind[one], 3.0)], covered=1.0) is None
    placed, kind = _library(MOST_KINDS + 1, 2)
    assert fit_kinds(placed, [_marked(kind, 2)], covered=1.0) is None


def test_photos_of_other_kinds_are_of_none_of_the_marked() -> None:
    placed, kind = _library(12, 20)
    marked = _marked(kind, 4)
    chosen = marked.kinds < 3
    grouping = Grouping(marked.rows[chosen], marked.kinds[chosen], 3.0)
    kinds = fit_kinds(placed, [grouping], covered=0.25)
    assert kinds is not None and kinds.count == 3 and kinds.weight.shape == (4, SIZE)
    found = F.softmax(placed @ kinds.weight.T + kinds.bias, dim=1)
    assert float(found[kind >= 3, 3].mean()) > 0.6 > float(found[kind < 3, 3].mean())
    head = MetricHead(torch.zeros(SIZE), torch.eye(SIZE), kinds=kinds)
    part = torch.from_numpy(head.applied(placed.numpy()))[:, SIZE:].norm(dim=1)
    assert head.embedding_size == SIZE + 3 and float(part[kind >= 3].mean()) < float(part[kind < 3].mean())


def test_one_kind_is_told_from_the_rest() -> None:
    placed, kind = _library(8, 20)
    rows = (kind == 0).nonzero().flatten()[:4]
    kinds = fit_kinds(placed, [Grouping(rows, kind[rows], 3.0)], covered=0.1)
    assert kinds is not None and kinds.count == 1 and kinds.weight.shape == (2, SIZE)
    found = F.softmax(placed @ kinds.weight.T + kinds.bias, dim=1)[:, 0]
    assert float(found[kind == 0].mean()) > float(found[kind != 0].mean()) + 0.3
