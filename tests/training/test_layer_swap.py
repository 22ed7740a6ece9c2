"""Layers of two generators in one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from desktop_app.cli.app import main
from desktop_app.core.errors import UserInputError
from desktop_app.training.generator import GeneratorTraining
from desktop_app.training.layer_swap import resolution_of, swap_runs, swapped
from desktop_app.training.restyle import load_autoencoder
from desktop_app.training.run_folder import RunFolder
from tests.training.test_face_training import TINY, faces  # noqa: F401


@pytest.fixture
def runs(tmp_path: Path, faces: Path) -> tuple[Path, Path]:  # noqa: F811
    """Two runs of one shape with other weights."""
    folders = (tmp_path / "face", tmp_path / "toon")
    for folder in folders:
        training = GeneratorTraining(TINY, faces, RunFolder(folder))
        if folder.name == "toon":
            with torch.no_grad():
                for parameter in training.average.parameters():
                    parameter.add_(0.5 * torch.randn_like(parameter))
        training.save()
    return folders


def test_tensors_know_their_resolution() -> None:
    names = {
        "style.1.weight": 0,
        "input.input": 4,
        "conv1.conv.weight": 4,
        "to_rgb1.bias": 4,
        "convs.0.conv.weight": 8,
        "convs.1.conv.weight": 8,
        "convs.4.noise.weight": 32,
        "to_rgbs.2.bias": 32,
        "noises.noise_0": 4,
        "noises.noise_1": 8,
        "noises.noise_6": 32,
    }
    assert {name: resolution_of(name) for name in names} == names


def test_coarse_pictures_come_from_one_and_fine_layers_from_the_other(
    tmp_path: Path, runs: tuple[Path, Path]
) -> None:
    face, toon = runs
    taken = swap_runs(face, toon, tmp_path / "both", from_px=16)
    (_, a), (_, b), (_, both) = (load_autoencoder(RunFolder(run)) for run in (face, toon, tmp_path / "both"))
    for name, value in both.generator.state_dict().items():
        source = b if resolution_of(name) >= 16 else a
        assert torch.equal(value, source.generator.state_dict()[name]), name
    assert 0 < taken < len(both.generator.state_dict())
    for key, value in both.encoder.state_dict().items():
        assert torch.equal(value, a.encoder.state_dict()[key])
    w_plus = torch.randn(2, a.generator.n_latent, TINY.style_dim)
    with torch.no_grad():
        pictures = [one.decode(w_plus) for one in (a, b, both)]
    assert not torch.equal(pictures[2], pictures[0]) and not torch.equal(pictures[2], pictures[1])


def test_what_does_not_fit_is_refused(tmp_path: Path, runs: tuple[Path, Path]) -> None:
    face, toon = runs
    with pytest.raises(UserInputError, match="of its own"):
        swap_runs(face, toon, face, from_px=16)
    with pytest.raises(UserInputError, match="64 pixels"):
        swap_runs(face, toon, tmp_path / "out", from_px=64)
    with pytest.raises(UserInputError, match="no checkpoint"):
        swap_runs(face, tmp_path / "none", tmp_path / "out", from_px=16)
    state = load_autoencoder(RunFolder(face))[1].generator.state_dict()
    wider = {name: torch.cat([value, value]) for name, value in state.items()}
    with pytest.raises(UserInputError, match="do not fit"):
        swapped(state, wider, 16)


def test_the_command_swaps(
    tmp_path: Path, runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "swap", "--coarse", str(runs[0]), "--fine", str(runs[1]), "--from-px", "8"]
    code = main([*words, "--out", str(tmp_path / "both"), "--data", str(tmp_path / "data"), "--json"])
    assert code == 0 and '"tensors"' in capsys.readouterr().out
    assert (tmp_path / "both" / "checkpoint.pt").is_file()
