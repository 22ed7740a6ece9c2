"""Every kind of training run goes on from a thin checkpoint: same weights, same step, fresh optimisers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from desktop_app.engine.embed.tuned_head import head_of
from desktop_app.training.checkpoint_parts import is_thin, write_thin
from desktop_app.training.config import METHODS
from desktop_app.training.contrastive import ContrastiveTraining
from desktop_app.training.generator import GeneratorTraining
from desktop_app.training.inversion_kinds import Kind
from desktop_app.training.restyle import RestyleConfig, RestyleTraining
from desktop_app.training.run_folder import CHECKPOINT, RunFolder
from desktop_app.training.second_domain import SecondDomainConfig, SecondDomainTraining
from tests.training.test_contrastive import _method, _method_training
from tests.training.test_face_training import TINY, faces  # noqa: F401
from tests.training.test_tune import _groups, _training
from tests.training.test_tune_blocks import _tuning, embedder  # noqa: F401


def _equal(one: torch.nn.Module, other: torch.nn.Module) -> None:
    theirs = other.state_dict()
    for key, value in one.state_dict().items():
        assert torch.equal(value, theirs[key]), key


def _rate(optimisers: list[torch.optim.Optimizer]) -> float:
    return max(group["lr"] for optimiser in optimisers for group in optimiser.param_groups)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_contrastive(tmp_path: Path, name: str) -> None:
    config = replace(_method(name, rate=1e-3), warmup_images=0)
    first = _method_training(tmp_path / "run", config)
    steps = first.steps()
    next(steps), next(steps)
    steps.close()
    write_thin(tmp_path / "run", tmp_path / "thin")
    second = _method_training(tmp_path / "thin", config)
    assert second.restore() and second.step == first.step == 2
    for part in ("network", "slow", "average", "objective"):
        if getattr(first, part) is not None:
            _equal(getattr(first, part), getattr(second, part))
    assert all(not optimiser.state for optimiser in second.optimisers)
    next(first.steps()), next(second.steps())
    assert second.step == 3
    assert _rate(second.optimisers) < 0.1 * _rate(first.optimisers), "the rate is warmed up again"
    second.save()
    third = _method_training(tmp_path / "thin", config)
    assert third.restore() and third._fresh_since == second._fresh_since > 0
    list(third.steps())
    assert third.seen >= config.images


def test_contrastive_thin_checkpoint_is_smaller(tmp_path: Path) -> None:
    training: ContrastiveTraining = _method_training(tmp_path / "run", _method("simclr"))
    next(training.steps())
    size = write_thin(tmp_path / "run", tmp_path / "thin")
    assert size < 0.6 * (tmp_path / "run" / CHECKPOINT).stat().st_size


def test_head_tuning(tmp_path: Path) -> None:
    first = _training(tmp_path / "run", groupings=[(_groups(), 3.0)])
    steps = first.steps()
    next(steps), next(steps)
    steps.close()
    write_thin(tmp_path / "run", tmp_path / "thin")
    saved = RunFolder(tmp_path / "thin").load()
    assert saved is not None and not saved["head"], "it is not finished"
    second = _training(tmp_path / "thin", groupings=[(_groups(), 3.0)])
    assert second.restore() and second.step == 2
    assert second.figures == first.figures and torch.equal(second.matrix, first.matrix)
    assert not second._optimiser.state
    next(first.steps()), next(second.steps())
    assert _rate([second._optimiser]) < 0.2 * _rate([first._optimiser])
    list(first.steps())
    write_thin(tmp_path / "run", tmp_path / "ended")
    ended = RunFolder(tmp_path / "ended").load()
    kept = head_of(ended["head"]) if ended is not None else None
    assert kept is not None and torch.equal(kept.matrix, first.matrix), "it can be kept as a model"
    list(second.steps())
    assert second.step == 30 and not is_thin(second._run.load() or {})


def test_layer_tuning(tmp_path: Path, embedder: object) -> None:  # noqa: F811
    first = _tuning(embedder, tmp_path / "run")  # type: ignore[arg-type]
    steps = first.steps()
    next(steps), next(steps)
    steps.close()
    before = first.changed()
    write_thin(tmp_path / "run", tmp_path / "thin")
    second = _tuning(embedder, tmp_path / "thin")  # type: ignore[arg-type]
    with torch.no_grad():
        for weight in second._weights:
            weight.zero_()
    assert second.restore() and second.step == 2 and not second._optimiser.state
    assert all(torch.equal(value, before[name]) for name, value in second.changed().items())
    list(second.steps())
    assert second.step == 4


@pytest.mark.slow
def test_e4e_keeps_its_discriminator(tmp_path: Path, faces: Path) -> None:  # noqa: F811
    list(GeneratorTraining(TINY, faces, RunFolder(tmp_path / "generator")).steps())
    config = RestyleConfig(kind=Kind.E4E, steps=1, passes=48, batch=4)

    def training(name: str) -> RestyleTraining:
        return RestyleTraining(config, RunFolder(tmp_path / "generator"), faces, RunFolder(tmp_path / name))

    first = training("run")
    steps = first.train()
    for _ in range(3):
        next(steps)
    first.save()
    write_thin(tmp_path / "run", tmp_path / "thin")
    second = training("thin")
    assert second.restore() and second.done == first.done and not second.optimiser.state
    _equal(first.model, second.model)
    assert first.game is not None and second.game is not None
    _equal(first.game.discriminator, second.game.discriminator)
    assert second.game.turns == first.game.turns > 0 and not second.game.optimiser.state
    list(second.train())
    assert second.done == config.passes


@pytest.mark.slow
def test_second_domain(tmp_path: Path, faces: Path) -> None:  # noqa: F811
    source = RunFolder(tmp_path / "generator")
    list(GeneratorTraining(TINY, faces, source).steps())
    config = SecondDomainConfig(filter="toon", images=16, batch=4)

    def training(name: str) -> SecondDomainTraining:
        return SecondDomainTraining(config, source, faces, RunFolder(tmp_path / name))

    first = training("run")
    steps = first.train()
    while first.seen < 8:
        next(steps)
    first.save()
    write_thin(tmp_path / "run", tmp_path / "thin")
    second = training("thin")
    assert second.restore() and second.seen == 8 and not second.optimiser.state
    _equal(first.model, second.model)
    _equal(first.average, second.average)
    list(second.train())
    assert second.seen == 16 and second.codes is not None
    assert np.isfinite(second.evaluate())
