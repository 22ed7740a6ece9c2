"""The parity test runs any folder of the format: another tag, other sizes, other encoders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.engine.parity_recipe import REFERENCE, REPOSITORY, recipe
from tests.engine.slow_reference import Folder, encoder_spec, generator_spec

SPECS = REFERENCE / "fixtures" / "specs"
needs_reference = pytest.mark.skipif(not SPECS.is_dir(), reason="no reference folder here")


def sorted_keys(spec: dict) -> list:  # type: ignore[type-arg]
    return sorted((key, tuple(shape), dtype) for key, shape, dtype, _ in spec["tensors"])


@needs_reference
@pytest.mark.parametrize("size", [64, 256, 1024])
def test_key_lists_of_generators_are_built_as_stored(size: int) -> None:
    stored = json.loads((SPECS / f"generator_{size}.json").read_text(encoding="utf-8"))
    assert sorted_keys(generator_spec(size)) == sorted_keys(stored)


@needs_reference
@pytest.mark.parametrize("kind", ["BackboneEncoder", "ResNetProgressiveBackboneEncoder"])
def test_key_lists_of_encoders_are_built_as_stored(kind: str) -> None:
    stored = json.loads((SPECS / f"{kind}_14_6ch.json").read_text(encoding="utf-8"))
    assert sorted_keys(encoder_spec(kind, 14, 6)) == sorted_keys(stored)


def run_parity(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "tests/engine/test_parity.py",
            "-q",
            "-m",
            "parity",
            *more,
        ],
        cwd=REPOSITORY,
        env={**os.environ, "CONTRASTYLE_FIXTURES": str(folder)},
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )


@needs_reference
@pytest.mark.slow
@pytest.mark.parity
@pytest.mark.timeout(1800)
def test_another_folder_runs_without_edits_and_notices_a_wrong_output(tmp_path: Path) -> None:
    with torch.inference_mode():
        folder = Folder(tmp_path, recipe(), "elsewhere7")
        folder.generator(128, batch=2)
        folder.encoder("SingleStyleCodeEncoder", 16, input_nc=3)
        folder.loop("ResNetProgressiveBackboneEncoder", 128, steps=2)
        folder.finish()
    done = run_parity(tmp_path)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "4 passed" in done.stdout  # three cases, and that all kinds are known

    file = tmp_path / "SingleStyleCodeEncoder_16.npz"
    with np.load(file) as content:
        codes = content["codes"].copy()
    codes[0, 3, 5] += 1e-4 * np.abs(codes).max()
    np.savez(file, codes=codes)
    done = run_parity(tmp_path, "-k", "SingleStyle")
    assert done.returncode == 1 and "codes: differs by" in done.stdout
