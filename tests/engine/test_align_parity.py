"""FFHQ alignment against outputs of the official code."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from desktop_app.core.types import FacePoints, Image
from desktop_app.engine.align.ffhq_crop import align_face_traced, quad_from_points, quad_side_px

REPOSITORY = Path(__file__).resolve().parents[2]
FIXTURES = Path(
    os.environ.get("CONTRASTYLE_FIXTURES", REPOSITORY.parent / "shared" / "reference" / "fixtures")
)

pytestmark = [
    pytest.mark.parity,
    pytest.mark.skipif(not (FIXTURES / "manifest.json").is_file(), reason="no parity fixtures here"),
]


def _cases() -> list[tuple[dict[str, Any], int]]:
    if not (FIXTURES / "manifest.json").is_file():
        return []
    manifest = json.loads((FIXTURES / "manifest.json").read_text(encoding="utf-8"))
    found = [case for case in manifest["cases"] if case["kind"] == "ffhq_alignment"]
    return [(case, k) for case in found for k in range(len(case["setups"]))]


def _normal(name: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()))).standard_normal(shape)


def _photo(name: str, setup: dict[str, Any]) -> Image:
    block, height, width = setup["block"], setup["height"], setup["width"]
    coarse = np.kron(
        _normal(name + "/blocks", (3, height // block, width // block)), np.ones((1, block, block))
    )
    values = np.clip(0.5 * coarse + 0.1 * _normal(name + "/fine", (3, height, width)), -1.0, 1.0)
    scaled = np.clip(np.rint((values.astype(np.float32) + 1) * 127.5), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(scaled.transpose(1, 2, 0))


@pytest.mark.parametrize(
    ("case", "k"), _cases(), ids=lambda value: str(value) if isinstance(value, int) else ""
)
def test_alignment_agrees_with_the_official_code(case: dict[str, Any], k: int) -> None:
    setup = case["setups"][k]
    stored = np.load(FIXTURES / f"{case['case']}.npz")
    landmarks = stored[f"landmarks{k}"].astype(np.float64)
    points = FacePoints(
        left_eye=tuple(landmarks[36:42].mean(axis=0)),
        right_eye=tuple(landmarks[42:48].mean(axis=0)),
        left_mouth=tuple(landmarks[48]),
        right_mouth=tuple(landmarks[54]),
    )
    quad = quad_from_points(points)
    assert np.abs(np.array(quad) - stored[f"quad_raw{k}"]).max() <= 1e-6
    assert quad_side_px(quad) == pytest.approx(float(stored[f"qsize{k}"]), abs=1e-6)

    photo = _photo(f"{case['tag']}/align/{k}", setup)
    aligned, trace = align_face_traced(
        photo, quad, output_px=setup["output_size"], transform_px=setup["transform_size"]
    )
    shrink = int(stored[f"shrink{k}"])
    assert trace.shrink == shrink or (shrink <= 1 and trace.shrink <= 1)
    crop = tuple(int(v) for v in stored[f"crop{k}"])
    assert (trace.crop or (-1, -1, -1, -1)) == crop
    assert trace.pad == tuple(int(v) for v in stored[f"pad{k}"])
    assert trace.size == tuple(int(v) for v in stored[f"size_at_transform{k}"])
    assert np.abs(trace.quad - stored[f"quad_final{k}"]).max() <= 1e-6

    difference = np.abs(aligned.astype(int) - stored[f"aligned{k}"].astype(int))
    assert (difference <= 1).mean() >= 0.999
