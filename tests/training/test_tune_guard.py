"""How far a tuned head may go: all the way where marks cover the library, less where others would lose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from desktop_app.training.run_folder import RunFolder
from desktop_app.training.tune import TuneTraining, make_data, usual_config
from desktop_app.training.tune_guard import LEAST_SETS, find_guard, shared_head
from desktop_app.training.tune_start import Grouping

SIZE = 12


def _library(kinds: int, members: int, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Kinds around random directions; (N, D) unit length and the kind of each."""
    chance = torch.Generator().manual_seed(seed)
    centres = F.normalize(torch.randn(kinds, SIZE, generator=chance), dim=1)
    kind = torch.arange(kinds).repeat_interleave(members)
    rows = centres[kind] + 0.25 * torch.randn(len(kind), SIZE, generator=chance)
    return F.normalize(rows, dim=1), kind


def _marked(kind: Tensor, chosen: range, members: int) -> Grouping:
    rows = torch.cat([(kind == one).nonzero().flatten()[:members] for one in chosen])
    return Grouping(rows, kind[rows], 6.0)


def _nothing() -> tuple[Tensor, Tensor]:
    return torch.zeros(0, 0, SIZE), torch.zeros(0, dtype=torch.long)


def test_a_library_of_the_marked_kinds_takes_the_whole_head() -> None:
    vectors, kind = _library(6, 30)
    guard = find_guard(vectors, *_nothing(), grouping=_marked(kind, range(6), 5), seed=0)
    assert (guard.share, guard.covered) == (1.0, 1.0)


def test_where_groups_use_up_their_kinds_left_out_groups_decide() -> None:
    vectors, kind = _library(60, 5)
    guard = find_guard(vectors, *_nothing(), grouping=_marked(kind, range(8), 5), seed=0)
    assert guard.covered < 0.4
    assert guard.share == pytest.approx(guard.covered + (1 - guard.covered) * guard.other_share)
    assert guard == find_guard(vectors, *_nothing(), grouping=_marked(kind, range(8), 5), seed=0)


def test_marks_that_mislead_others_are_held_back() -> None:
    """Half of the axes tell the other kinds apart, and only the other half the marked ones."""
    chance = torch.Generator().manual_seed(3)
    rows, kinds = [], []
    for number in range(60):
        centre = torch.zeros(SIZE)
        # Marked kinds lie on one axis of their own, two of each four of them on the same side.
        if number < 8:
            centre[0] = 1.0 if number % 2 else -1.0
            centre[1 + number // 2] = 0.4
        else:
            centre[5:] = torch.randn(SIZE - 5, generator=chance)
        rows.append(F.normalize(centre, dim=0) + 0.12 * torch.randn(5, SIZE, generator=chance))
        kinds += [number] * 5
    vectors, kind = F.normalize(torch.cat(rows), dim=1), torch.tensor(kinds)
    guard = find_guard(vectors, *_nothing(), grouping=_marked(kind, range(8), 5), seed=0)
    assert guard.covered < 0.2 and guard.share < 1.0


def test_too_few_groups_hold_nothing_back() -> None:
    vectors, kind = _library(20, 5)
    grouping = _marked(kind, range(LEAST_SETS - 1), 5)
    assert find_guard(vectors, *_nothing(), grouping=grouping, seed=0).share == 1.0


def test_a_share_of_a_head_lies_between_none_and_all() -> None:
    matrix = torch.randn(4, 4)
    assert torch.equal(shared_head(matrix, 1.0), matrix)
    assert torch.equal(shared_head(matrix, 0.0), torch.eye(4))
    torch.testing.assert_close(shared_head(matrix, 0.5), (matrix + torch.eye(4)) / 2)


def test_the_head_of_a_tuning_is_the_share_that_the_guard_allows(tmp_path: Path) -> None:
    vectors, kind = _library(60, 5)
    groups = [(kind == one).nonzero().flatten().tolist() for one in range(8)]
    data = make_data(np.asarray(vectors), groupings=[(groups, 6.0)])
    training = TuneTraining(usual_config(has_sets=True, steps=2), data, RunFolder(tmp_path))
    for _ in training.steps():
        pass
    whole = (training._start + training._change).detach()
    torch.testing.assert_close(training.matrix, shared_head(whole, training.guard.share))
