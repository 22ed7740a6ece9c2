"""Closed-form factorisation against outputs of the official code."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from desktop_app.engine.edit.discover import factorise, parse_layers

REPOSITORY = Path(__file__).resolve().parents[2]
FIXTURES = Path(
    os.environ.get("CONTRASTYLE_FIXTURES", REPOSITORY.parent / "shared" / "reference" / "fixtures")
)

pytestmark = [
    pytest.mark.parity,
    pytest.mark.skipif(not (FIXTURES / "manifest.json").is_file(), reason="no parity fixtures here"),
]


def _cases() -> list[dict[str, Any]]:
    if not (FIXTURES / "manifest.json").is_file():
        return []
    manifest = json.loads((FIXTURES / "manifest.json").read_text(encoding="utf-8"))
    return [case for case in manifest["cases"] if case["kind"] == "sefa"]


def _style_weights(case: dict[str, Any]) -> list[Tensor]:
    """Style weights by layer: conv1, every conv, the last ToRGB."""
    spec = json.loads((FIXTURES / "specs" / f"{case['generator_spec']}.json").read_text(encoding="utf-8"))
    entries = {key: (shape, rule) for key, shape, _, rule in spec["tensors"]}
    convs = sum(key.startswith("convs.") and key.endswith("modulation.weight") for key in entries)
    rgbs = sum(key.startswith("to_rgbs.") and key.endswith("modulation.weight") for key in entries)
    names = ["conv1", *(f"convs.{k}" for k in range(convs)), f"to_rgbs.{rgbs - 1}"]
    weights = []
    for name in names:
        key = f"{name}.conv.modulation.weight"
        shape, rule = entries[key]
        full = f"{case['tag']}/{spec['prefix']}{key}"
        normal = np.random.Generator(np.random.PCG64(zlib.crc32(full.encode()))).standard_normal(tuple(shape))
        assert rule[0] == "affine"
        weights.append(torch.from_numpy((rule[1] * normal + rule[2]).astype(np.float32)))
    return weights


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case["case"])
def test_directions_agree_with_the_official_code(case: dict[str, Any]) -> None:
    weights = _style_weights(case)
    stored = np.load(FIXTURES / f"{case['case']}.npz")
    for name, choice in case["sets"].items():
        used = weights[:-1] if choice["variant"] == "e4e" else weights
        found = factorise(used, parse_layers(choice["layers"], len(used)))
        values = stored[f"{name}.eigenvalues"]
        assert np.abs(found.eigenvalues - values).max() <= 1e-4 * np.abs(values).max()
        wanted = stored[f"{name}.directions"]
        dots = np.abs((found.directions[: len(wanted)] * wanted).sum(axis=1))
        assert (1 - dots).max() <= 1e-5, name
