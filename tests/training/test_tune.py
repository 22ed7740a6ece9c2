"""Tuning of a head: it brings the alike together, loses nothing, continues exactly, refuses nonsense."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from desktop_app.core.errors import UserInputError
from desktop_app.evaluation.metrics import retrieval_scores
from desktop_app.training import tune_start
from desktop_app.training.run_folder import RunFolder
from desktop_app.training.tune import (
    TuneConfig,
    TuneTraining,
    agreement,
    make_data,
)
from desktop_app.training.tune_run import StepFigures
from desktop_app.training.tune_start import Grouping, LibraryStart, library_start, neighbour_map, start_head

KINDS, EACH, SIZE = 6, 15, 12


def _library(seed: int = 0, *, loud: float = 4.0) -> tuple[np.ndarray, list[str]]:
    """Six kinds that differ in four numbers; the other eight are louder, or not, and say nothing."""
    chance = np.random.default_rng(seed)
    centres = np.zeros((KINDS, SIZE))
    centres[:, :4] = chance.standard_normal((KINDS, 4))
    kinds = np.repeat(np.arange(KINDS), EACH)
    rows = centres[kinds] + 0.35 * chance.standard_normal((len(kinds), SIZE))
    rows[:, 4:] *= loud
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32), [str(kind) for kind in kinds]


def _views(rows: np.ndarray) -> np.ndarray:
    noise = 0.1 * np.random.default_rng(1).standard_normal((3, *rows.shape))
    noise[:, :, :4] *= 0.3
    views = rows + noise
    return (views / np.linalg.norm(views, axis=2, keepdims=True)).astype(np.float32)


def _groups(count: int = 4) -> list[list[int]]:
    return [[kind * EACH + n for n in range(4)] for kind in range(count)]


def _training(folder: Path, steps: int = 30, seed: int = 0, **given: object) -> TuneTraining:
    rows, _ = _library()
    data = make_data(rows, **{"views": _views(rows), "view_rows": range(len(rows)), **given})  # type: ignore[arg-type]
    return TuneTraining(TuneConfig(steps=steps, seed=seed), data, RunFolder(folder))


def _score(rows: np.ndarray, labels: list[str], without: list[list[int]]) -> float:
    rest = np.setdiff1d(np.arange(len(rows)), np.concatenate(without) if without else [])
    scores = retrieval_scores(rows[rest], [labels[row] for row in rest])
    assert scores is not None
    return scores.mean_average_precision


def _after(training: TuneTraining) -> np.ndarray:
    return training.head().applied(_library()[0])


def test_marked_groups_help_the_photos_that_were_not_marked(tmp_path: Path) -> None:
    rows, labels = _library()
    training = _training(tmp_path, groupings=[(_groups(), 6.0)])
    figures = list(training.steps())
    assert [one.step for one in figures] == list(range(1, 31))
    gain = _score(_after(training), labels, _groups()) / _score(rows, labels, _groups()) - 1.0
    assert gain > 0.1
    assert not any(one.is_collapsed for one in figures)


def test_views_alone_do_not_lose(tmp_path: Path) -> None:
    rows, labels = _library(loud=2.0)
    data = make_data(rows, views=_views(rows), view_rows=range(len(rows)))
    training = TuneTraining(TuneConfig(steps=30), data, RunFolder(tmp_path))
    list(training.steps())
    assert _score(training.head().applied(rows), labels, []) >= _score(rows, labels, [])


def test_training_lowers_what_it_says_it_lowers(tmp_path: Path) -> None:
    figures = list(_training(tmp_path, steps=80, groupings=[(_groups(), 6.0)]).steps())
    losses = [f.loss for f in figures]
    assert losses[-1] < losses[0], (
        "figures are of the same photos at every step, so they show what is learned"
    )
    assert np.std(losses[-10:]) < 0.2 * (losses[0] - losses[-1])


def test_stopped_and_continued_equals_uninterrupted(tmp_path: Path) -> None:
    whole = _training(tmp_path / "whole", groupings=[(_groups(), 6.0)])
    figures = list(whole.steps())
    stopped = _training(tmp_path / "parts", groupings=[(_groups(), 6.0)])
    steps = stopped.steps()
    next(steps), next(steps)
    steps.close()
    continued = _training(tmp_path / "parts", groupings=[(_groups(), 6.0)])
    assert continued.restore()
    assert len(continued.figures) == continued.step == 2
    list(continued.steps())
    assert continued.figures == figures
    assert torch.equal(continued.matrix, whole.matrix)


def test_a_tuning_of_an_older_recipe_does_not_continue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = _training(tmp_path).steps()
    next(steps)
    steps.close()
    assert _training(tmp_path).restore()
    monkeypatch.setattr("desktop_app.training.tune.RECIPE", 1)
    with pytest.raises(UserInputError, match="program changed"):
        _training(tmp_path).restore()


def test_other_photos_or_choices_do_not_continue(tmp_path: Path) -> None:
    steps = _training(tmp_path).steps()
    next(steps)
    steps.close()
    with pytest.raises(UserInputError, match="other choices"):
        _training(tmp_path, seed=1).restore()
    with pytest.raises(UserInputError, match="changed since"):
        _training(tmp_path, groupings=[(_groups(), 6.0)]).restore()


def test_one_group_alone_is_held_against_the_library(tmp_path: Path) -> None:
    rows, _ = _library()
    training = _training(tmp_path, groupings=[(_groups(1), 6.0)])
    figures = list(training.steps())
    assert not any(one.is_collapsed for one in figures)
    before, after = agreement(rows, [_groups(1)]), agreement(_after(training), [_groups(1)])
    assert before is not None and after is not None and after >= before


def test_collapse_raises_the_alarm(tmp_path: Path) -> None:
    training = _training(tmp_path)
    steps = training.steps()
    assert not next(steps).is_collapsed
    with torch.no_grad():
        training._change.zero_()
        training._start.zero_()
        training._start[:, 0] = 1.0
        training.mean.fill_(10.0)
    figures = next(steps)
    assert isinstance(figures, StepFigures) and figures.is_collapsed
    steps.close()


# --- the start, against plain formulas --------------------------------------------------------------------


def _root(matrix: Tensor, power: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values**power) @ vectors.T


def test_start_agrees_with_the_plain_formula() -> None:
    rows, _ = _library()
    vectors, views = torch.from_numpy(rows).double(), torch.from_numpy(_views(rows)).double()
    sets, even = _groups(), torch.eye(SIZE, dtype=torch.float64)
    scatter = torch.zeros_like(even)
    for photo in range(len(rows)):
        looks = [vectors[photo], *views[:, photo]]
        middle = sum(looks) / len(looks)
        for look in looks:
            scatter += torch.outer(look - middle, look - middle) / (len(looks) * len(rows))
    share = tune_start.VIEW_SHARE
    first = _root(share * scatter / (scatter.trace() / SIZE) + (1 - share) * even, -0.5)
    centred = vectors - vectors.mean(0)
    covariance = centred.T @ centred / len(rows)
    first = _root(covariance / (covariance.trace() / SIZE), tune_start.LIBRARY_POWER) @ first
    placed = F.normalize(centred @ first, dim=1)
    first = first @ _plain_neighbour_map(placed)
    placed = F.normalize(centred @ first, dim=1)
    within, means = torch.zeros_like(even), []
    for members in sets:
        middle = placed[members].mean(0)
        means.append(middle)
        for row in members:
            within += torch.outer(placed[row] - middle, placed[row] - middle) / (len(sets) * 3)
    centre = sum(means) / len(means)
    between = sum(torch.outer(m - centre, m - centre) for m in means) / (len(means) - 1)
    share = tune_start.SET_SHARE
    change = _root(share * within / (within.trace() / SIZE) + (1 - share) * even, -0.5)
    values, directions = torch.linalg.eigh(change @ (between - within / 4) @ change)
    values = values.clamp_min(0.0)
    stretched = directions @ torch.diag((1 + 6.0 * values / values.max()).sqrt()) @ directions.T
    wanted = first @ change @ stretched
    wanted *= SIZE**0.5 / wanted.norm()
    flat = torch.tensor([row for members in sets for row in members])
    kinds = torch.arange(len(sets)).repeat_interleave(4)
    library = library_start(vectors.float(), views.float(), torch.arange(len(rows)), set_share=1.0)
    grouping = Grouping(flat, kinds, 6.0)
    matrix = start_head(library, vectors.float(), groupings=[grouping], share=1.0)
    assert torch.allclose(library.mean, vectors.mean(0), atol=1e-6)
    assert torch.allclose(matrix.double(), wanted, atol=1e-4)
    alone = start_head(library, vectors.float(), groupings=[grouping], share=0.0)
    assert torch.allclose(alone.double(), library.matrix * SIZE**0.5 / library.matrix.norm(), atol=1e-6)


def _plain_neighbour_map(placed: Tensor) -> Tensor:
    """Every photo and its mutual neighbours, one by one."""
    count = len(placed)
    near: list[set[int]] = []
    for row in range(count):
        order = sorted((-float(placed[row] @ placed[n]), n) for n in range(count) if n != row)
        near.append({n for _, n in order[: tune_start.NEIGHBOURS]})
    means = []
    for row in range(count):
        own = [placed[row], *(placed[n] for n in sorted(near[row]) if row in near[n])]
        means.append(sum(own) / len(own))
    covariance = sum(torch.outer(row, row) for row in placed)
    even = torch.eye(placed.shape[1], dtype=placed.dtype)
    assert isinstance(covariance, Tensor)
    ridge = tune_start.NEIGHBOUR_RIDGE * covariance.trace() / placed.shape[1]
    found = torch.linalg.inv(covariance + ridge * even) @ placed.T @ torch.stack(means)  # type: ignore[arg-type]
    return even + found / torch.stack([(row @ found).norm() for row in placed]).mean()


def test_neighbours_bring_kinds_together_that_nobody_named() -> None:
    rows, labels = _library(loud=1.0)
    placed = torch.from_numpy(rows).double()
    assert len(rows) // 12 >= tune_start.NEIGHBOURS
    changed = F.normalize(placed @ neighbour_map(placed), dim=1).float().numpy()
    assert _score(changed, labels, []) > _score(rows, labels, []) * 1.01


def test_a_small_library_has_no_neighbours_to_go_by() -> None:
    placed = torch.from_numpy(_library()[0][:11]).double()
    assert torch.equal(neighbour_map(placed), torch.eye(SIZE, dtype=torch.float64))


def test_neighbours_of_a_large_library_are_looked_for_in_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    placed = torch.from_numpy(_library()[0]).double()
    whole = neighbour_map(placed)
    monkeypatch.setattr(tune_start, "_LINKED_AT_ONCE", 7)
    torch.testing.assert_close(neighbour_map(placed), whole)
    nothing = (torch.zeros(0, 0, SIZE), torch.zeros(0, dtype=torch.long))
    whole = library_start(placed.float(), *nothing, set_share=1.0).matrix
    monkeypatch.setattr(tune_start, "_MOST_LINKED", 70)
    part = library_start(placed.float(), *nothing, set_share=1.0).matrix
    assert not torch.allclose(part, whole)
    assert torch.equal(part, library_start(placed.float(), *nothing, set_share=1.0).matrix)


def test_start_without_scatter_is_no_change() -> None:
    rows = torch.from_numpy(_library()[0])[:11]
    same = rows[None].expand(2, -1, -1)
    library = library_start(rows, same, torch.arange(len(rows)), set_share=0.0)
    assert isinstance(library, LibraryStart)
    matrix = start_head(library, rows, groupings=[], share=1.0)
    assert torch.allclose(matrix, torch.eye(SIZE), atol=1e-6)


def test_agreement_agrees_with_average_precision() -> None:
    rows, labels = _library()
    every = [[n for n, label in enumerate(labels) if label == kind] for kind in sorted(set(labels))]
    assert agreement(rows, [every]) == pytest.approx(_score(rows, labels, []), abs=1e-3)
    assert agreement(rows, []) is None


# --- refusals ----------------------------------------------------------------------------------------------


def test_vectors_that_do_not_match_are_refused() -> None:
    rows, _ = _library()
    with pytest.raises(UserInputError, match="do not come from the same encoder"):
        make_data(rows, views=np.zeros((2, 3, SIZE + 1), np.float32), view_rows=[0, 1, 2])


def test_too_few_alike_or_no_numbers_are_refused() -> None:
    rows, _ = _library()
    with pytest.raises(UserInputError, match="1 photo, at least"):
        make_data(rows[:1])
    with pytest.raises(UserInputError, match="look the same"):
        make_data(np.tile(rows[:1], (20, 1)))
    broken = rows.copy()
    broken[3, 2] = np.nan
    with pytest.raises(UserInputError, match="no numbers"):
        make_data(broken)
    with pytest.raises(UserInputError, match="Nothing was chosen"):
        make_data(rows)


def test_photo_in_two_groups_and_copies_contradict() -> None:
    rows, _ = _library()
    with pytest.raises(UserInputError, match="in two groups"):
        make_data(rows, groupings=[([[0, 1], [1, 2]], 6.0)])
    rows[20] = rows[0]
    with pytest.raises(UserInputError, match="contradict each other: 2 photos"):
        make_data(rows, groupings=[([[0, 1], [20, 21]], 6.0)])
