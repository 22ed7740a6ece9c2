"""A step of each face training on a device that is not the CPU: nothing of it may stay behind there.

The device is torch's "meta" one, which every machine has: it computes shapes only and refuses tensors of
the CPU beside its own in sums, losses and joins. What a step reads back as numbers is answered with ones.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from desktop_app.training.generator import GeneratorTraining
from desktop_app.training.inversion_kinds import Kind
from desktop_app.training.restyle import RestyleConfig, RestyleTraining
from desktop_app.training.run_folder import RunFolder
from tests.training.test_face_training import TINY, _trained, faces  # noqa: F401

META = torch.device("meta")


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the meta device cannot do is left out: autocast, fused optimisers, numbers."""

    def plain(optimiser: type[torch.optim.Optimizer]) -> object:
        def make(parameters: object, **options: object) -> torch.optim.Optimizer:
            return optimiser(parameters, **{k: v for k, v in options.items() if k != "fused"})  # type: ignore[arg-type]

        return make

    for name in ("item", "__float__"):
        own = getattr(Tensor, name)
        monkeypatch.setattr(Tensor, name, lambda self, own=own: 1.0 if self.is_meta else own(self))
    monkeypatch.setattr(torch, "autocast", lambda *_a, **_k: contextlib.nullcontext())
    for name in ("Adam", "AdamW"):
        monkeypatch.setattr(torch.optim, name, plain(getattr(torch.optim, name)))
    yield


def _all_there(*parts: nn.Module | Tensor | None) -> None:
    for part in parts:
        tensors = [part] if isinstance(part, Tensor) else [] if part is None else part.state_dict().values()
        for tensor in tensors:
            assert tensor.device == META


@pytest.mark.usefixtures("elsewhere")
def test_generator_and_discriminator(tmp_path: Path, faces: Path) -> None:  # noqa: F811
    config = replace(TINY, images=8, sharpen_images=8, precision="float32", texture=0.5)
    training = GeneratorTraining(config, faces, RunFolder(tmp_path / "run"), device=META)
    for seen in (0, 4, 8, 12):
        training.seen = seen
        stats = training._iterate()
        training.iteration += 1
    assert "d_loss" in stats or "adversarial" in stats
    _all_there(training.model, training.average, training.adversary.network)


@pytest.mark.parametrize("kind", list(Kind))
def test_encoders(
    tmp_path: Path,
    faces: Path,  # noqa: F811
    kind: Kind,
    request: pytest.FixtureRequest,
) -> None:
    _trained(tmp_path / "generator", faces, replace(TINY, precision="float32"))
    request.getfixturevalue("elsewhere")
    config = RestyleConfig(kind=kind, steps=1 if kind is Kind.ONE_PASS else 2, batch=4)
    start = RunFolder(tmp_path / "generator")
    training = RestyleTraining(config, start, faces, RunFolder(tmp_path / "run"), device=META)
    stats = training._batch()
    assert {f"l2_{step + 1}" for step in range(config.steps)} <= set(stats)
    _all_there(training.model, training.average)
    if kind is Kind.E4E:
        assert training.game is not None and "d_loss" in stats
        _all_there(training.game.discriminator)
