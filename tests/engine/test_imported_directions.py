"""Imported edit directions become sliders of the models they fit."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch

from desktop_app.engine.edit.directions import edit_code
from desktop_app.engine.edit.imported import imported_directions
from desktop_app.engine.weights.store import ModelCard, ModelStore, write_model


def _write(folder: Path, name: str, config: dict[str, Any], tensors: dict[str, torch.Tensor]) -> ModelCard:
    card = ModelCard(name, "directions", "directions", config, name, "", "", "", 0, folder=folder)
    return write_model(card, tensors)


def test_normals_components_and_what_does_not_fit(tmp_path: Path) -> None:
    normal = torch.randn(2, 1, 32)
    per_row = torch.randn(1, 18, 32)
    comp, std = torch.randn(12, 32), torch.rand(12)
    _write(
        tmp_path,
        "directions.faces",
        {"kind": "interfacegan", "labels": ["age", "wide_smile"], "style_dim": 32},
        {"directions": normal},
    )
    _write(
        tmp_path,
        "directions.pose",
        {"kind": "interfacegan", "labels": ["pose"], "style_dim": 32},
        {"directions": per_row},
    )
    _write(
        tmp_path,
        "directions.pca",
        {"kind": "ganspace", "labels": [], "style_dim": 32},
        {"comp": comp, "std": std, "mean": torch.zeros(32)},
    )
    store = ModelStore(tmp_path / "none", tmp_path)
    found = {d.name: d for d in imported_directions(store, shape=(6, 32))}
    assert len(found) == 12
    assert found["directions.faces.wide_smile"].label == "Wide smile (imported)"
    assert not any("pose" in name for name in found)
    assert sum("pca" in name for name in found) == 10
    code = np.zeros((6, 32), np.float32)
    edited = edit_code(code, tuple(found.values()), [("directions.pca.3", 2.0)])
    assert np.allclose(edited, 2 * (comp[2] * std[2]).numpy(), atol=1e-6)
    assert "directions.pose.pose" in {d.name for d in imported_directions(store, shape=(18, 32))}
    assert imported_directions(store, shape=(6, 64)) == ()


def test_damaged_directions_are_left_out(tmp_path: Path, expected_log: list[logging.LogRecord]) -> None:
    _write(tmp_path, "directions.x", {"kind": "interfacegan", "style_dim": 32}, {"comp": torch.ones(1, 32)})
    assert imported_directions(ModelStore(tmp_path / "none", tmp_path), shape=(6, 32)) == ()
    assert "directions.x" in expected_log[0].getMessage()
