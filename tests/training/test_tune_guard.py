"""How far a tuned head may go: all the way where marks cover the library, less where others would lose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from desktop_app.training.run_folder import RunFolder
from desktop_app.training.tune import TuneConfig, TuneTraining, make_data
from desktop_app.training.tune_guard import DOUBT, find_guard
from desktop_app.training.tune_kinds import KIND_SHARE
from desktop_app.training.tune_start import Grouping, library_start, start_head

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


def test_a_library_of_the_marked_kinds_takes_the_whole_head() -> None:
    vectors, kind = _library(6, 30)
    guard = find_guard(vectors, _marked(kind, range(6), 5))
    assert (guard.share, guard.covered) == (1.0, 1.0)


def test_where_groups_use_up_their_kinds_little_is_taken() -> None:
    vectors, kind = _library(60, 5)
    guard = find_guard(vectors, _marked(kind, range(8), 5))
    assert 0.0 < guard.covered < 0.4
    assert guard.share == pytest.approx(guard.covered**DOUBT)


def test_one_kind_of_many_takes_next_to_nothing() -> None:
    vectors, kind = _library(20, 30)
    guard = find_guard(vectors, _marked(kind, range(1), 5))
    assert guard.covered < 0.6 and guard.share < 0.05


def test_the_head_of_a_tuning_is_the_share_that_the_guard_allows(tmp_path: Path) -> None:
    vectors, kind = _library(60, 5)
    groups = [(kind == one).nonzero().flatten().tolist() for one in range(8)]
    data = make_data(np.asarray(vectors), groupings=[(groups, 6.0)])
    training = TuneTraining(TuneConfig(steps=2), data, RunFolder(tmp_path))
    for _ in training.steps():
        pass
    guard = training.guard
    assert 0.0 < guard.share < 1.0 and bool(training._change.any())
    library = library_start(data.vectors, data.views, data.view_rows, set_share=guard.share)
    start = start_head(library, data.vectors, groupings=data.groupings, share=guard.share)
    torch.testing.assert_close(training.matrix, start + training._change.detach())
    head = training.head()
    assert head.count == 8 and len(head.bias) == 9, "the marked kinds, and none of them"
    assert head.share == KIND_SHARE
