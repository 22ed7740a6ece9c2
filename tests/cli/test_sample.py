"""The command `sample`: random faces of the built-in model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from desktop_app.engine.networks.stylegan2 import Generator
from tests.cli.conftest import Outcome

Run = Callable[..., Outcome]


def _pictures(folder: Path) -> list[np.ndarray]:
    return [
        np.asarray(PillowImage.open(file)).astype(np.float32) for file in sorted(folder.glob("face_*.png"))
    ]


def test_random_faces_are_different_and_come_again_with_their_seed(run: Run, tmp_path: Path) -> None:
    outcome = run("sample", "--out", tmp_path / "a", "--count", 6, "--seed", 3, "--json")
    assert outcome.code == 0, outcome.err
    answer = outcome.json
    assert len(answer["faces"]) == 6 and Path(str(answer["sheet"])).is_file()  # type: ignore[arg-type]
    faces = _pictures(tmp_path / "a")
    for i, one in enumerate(faces):
        for other in faces[i + 1 :]:
            assert np.abs(one - other).mean() > 5, "two draws, one face"
    run("sample", "--out", tmp_path / "b", "--count", 2, "--seed", 3)
    assert all(np.array_equal(a, b) for a, b in zip(faces, _pictures(tmp_path / "b"), strict=False))
    run("sample", "--out", tmp_path / "c", "--count", 2, "--seed", 4)
    assert np.abs(faces[0] - _pictures(tmp_path / "c")[0]).mean() > 5


def test_without_truncation_faces_differ_more(run: Run, tmp_path: Path) -> None:
    for name, psi in (("none", 0), ("some", 0.4), ("all", 1)):
        assert run("sample", "--out", tmp_path / name, "--count", 4, "--psi", psi).code == 0
    spreads = [np.stack(_pictures(tmp_path / name)).std(axis=0).mean() for name in ("none", "some", "all")]
    assert spreads[0] == 0 and 2 < spreads[1] < spreads[2]


def test_a_model_without_a_trained_mapping_network_says_so(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Generator, "map_z", lambda self, z: torch.zeros_like(z))
    outcome = run("sample", "--out", tmp_path / "a", "--count", 4)
    assert outcome.code == 1 and "mapping network was not trained" in outcome.err
    assert not list(tmp_path.glob("a/face_*"))


def test_wrong_numbers_are_refused(run: Run, tmp_path: Path) -> None:
    for option, value in (("--count", 0), ("--psi", 3), ("--psi", "nan"), ("--seed", -1)):
        assert run("sample", "--out", tmp_path / "a", option, value).code == 2
