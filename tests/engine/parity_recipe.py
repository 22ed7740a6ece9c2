"""Reads parity fixtures: weights and inputs from their recipe, stored outputs, comparison."""

from __future__ import annotations

import importlib.util
import json
import os
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

REPOSITORY = Path(__file__).resolve().parents[2]
REFERENCE = REPOSITORY.parent / "shared" / "reference"
FIXTURES = Path(os.environ.get("CONTRASTYLE_FIXTURES") or REFERENCE / "fixtures").expanduser().resolve()
CROP_PX = 64


def has_fixtures() -> bool:
    return (FIXTURES / "manifest.json").is_file()


@lru_cache(maxsize=1)
def cases() -> dict[str, dict[str, Any]]:
    """Every case of the manifest by name; empty when there is no folder."""
    if not has_fixtures():
        return {}
    manifest = json.loads((FIXTURES / "manifest.json").read_text(encoding="utf-8"))
    return {case["case"]: case for case in manifest["cases"]}


@lru_cache(maxsize=1)
def recipe() -> ModuleType:
    """The functions of make_weights.py: beside the fixture folder, inside it, or of the reference."""
    for folder in (FIXTURES.parent, FIXTURES, REFERENCE):
        file = folder / "make_weights.py"
        if file.is_file():
            spec = importlib.util.spec_from_file_location("make_weights", file)
            assert spec is not None and spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    raise FileNotFoundError(f"no make_weights.py beside {FIXTURES}")


def spec_of(name: str) -> dict[str, Any]:
    content: dict[str, Any] = recipe().load_spec(FIXTURES / "specs" / f"{name}.json")
    return content


def stored(case: str) -> dict[str, np.ndarray]:
    with np.load(FIXTURES / f"{case}.npz") as content:
        return {key: content[key] for key in content.files}


def fill(module: nn.Module, spec: dict[str, Any], tag: str, prefix: str | None = None) -> None:
    """Give a module built on the meta device the recipe's weights, strictly, one tensor at a time."""
    prefix = spec["prefix"] if prefix is None else prefix
    tensors = {}
    for key, shape, dtype, rule in spec["tensors"]:
        tensors[key] = torch.from_numpy(recipe().fill(f"{tag}/{prefix}{key}", shape, rule, dtype))
    module.load_state_dict(tensors, strict=True, assign=True)
    module.eval().requires_grad_(False)


def picture(name: str, height: int = 256, width: int = 256) -> Tensor:
    """One test image, (1, 3, H, W)."""
    return torch.from_numpy(recipe().image(name, height, width))[None]


def normal(name: str, shape: list[int]) -> Tensor:
    return torch.from_numpy(recipe().normal(name, shape).astype(np.float32))


def assert_close(ours: Tensor | np.ndarray, theirs: np.ndarray, *, tolerance: float, what: str) -> None:
    """max |ours - theirs| <= tolerance * max |theirs|."""
    mine = ours.detach().float().cpu().numpy() if isinstance(ours, Tensor) else np.asarray(ours)
    assert mine.shape == theirs.shape, f"{what}: shape {mine.shape} instead of {theirs.shape}"
    error = float(np.abs(mine.astype(np.float64) - theirs.astype(np.float64)).max())
    bound = tolerance * float(np.abs(theirs).max())
    assert error <= bound, f"{what}: differs by {error:.3g}, allowed {bound:.3g}"


def assert_image_close(y: Tensor, outputs: dict[str, np.ndarray], name: str, *, tolerance: float) -> None:
    """Compare a whole picture (3, H, W) with what is stored of one: samples, a window, statistics."""
    assert list(y.shape) == outputs[f"{name}.shape"].tolist(), f"{name}: {tuple(y.shape)}"
    height, width = y.shape[1:]
    s = max(1, width // 64)
    top, left = (height - CROP_PX) // 2, (width - CROP_PX) // 2
    y = y.detach().float()
    flat = y.reshape(3, -1).double()
    statistics = torch.stack([flat.mean(1), flat.std(1, unbiased=False), flat.amin(1), flat.amax(1)])
    window = y[:, top : top + CROP_PX, left : left + CROP_PX]
    assert_close(
        y[:, s // 2 :: s, s // 2 :: s], outputs[f"{name}.sub"], tolerance=tolerance, what=f"{name}.sub"
    )
    assert_close(window, outputs[f"{name}.crop"], tolerance=tolerance, what=f"{name}.crop")
    assert_close(statistics, outputs[f"{name}.stats"], tolerance=tolerance, what=f"{name}.stats")
