"""Edits carried back into portraits: edges left behind, stray edges, surroundings, closeness to the edit.

Portraits of held-out people (`CONTRASTYLE_DATA`/portraits), the built-in model, seven edits at four
strengths. All figures are taken in the crop's frame at 128 pixels, against what would be ideal: the edited
face in the colours of the photo. `added` is the plain sum of photo and change, for comparison.
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from desktop_app.core.paths import default_paths
from desktop_app.core.settings import Settings
from desktop_app.core.types import Edit, FloatArray, Image, InvertRequest, PhotoSource
from desktop_app.engine.align.face_points import typical_points
from desktop_app.engine.align.ffhq_crop import Quad, align_face
from desktop_app.engine.align.paste_back import FacePaste, paste_back
from desktop_app.engine.image_tensor import tensor_to_levels
from desktop_app.jobs import invert_photo
from desktop_app.jobs.services import Services
from tests.library import drive

MODEL = "restyle_psp.builtin"
PORTRAITS = 20
EDITS = ("smile", "age", "glasses", "beard", "turn", "hair", "light")
STRENGTHS = (0.3, 1.0, 2.0, 3.0)
SIDE_PX = 128
_FINE_PX = 384


def run() -> dict[str, object]:
    """Means for each strength, of this program's paste-back and of the plain sum."""
    sums: dict[str, list[dict[str, float]]] = {}
    for photo, quad, before, name, strength, after in _cases():
        face = FacePaste(quad, after, before)
        for way, paste in (("pasted", paste_back), ("added", added)):
            figures = measure(photo, paste(photo, face), face)
            sums.setdefault(f"{way}, strength {strength:g}", []).append(figures)
            sums.setdefault(f"{way}, {name}", []).append(figures)
    return {
        key: {one: round(float(np.mean([row[one] for row in rows])), 3) for one in rows[0]}
        for key, rows in sorted(sums.items())
    }


def added(photo: Image, face: FacePaste) -> Image:
    """Photo plus change under the crop's soft edge, nothing else."""
    side = face.edited.shape[0]
    matrix = np.array(face.quad)
    target = np.array([(-0.5, -0.5), (-0.5, side - 0.5), (side - 0.5, -0.5)], np.float32)
    to_photo = cv2.getAffineTransform(target, matrix[[0, 1, 3]].astype(np.float32))
    place = (np.arange(side) + 0.5) / side
    rise = np.clip(np.minimum(place, 1 - place) / face.blend, 0, 1)
    soft = rise * rise * (3 - 2 * rise)
    change = (face.edited - face.reconstruction) * (soft[:, None] * soft[None, :])[:, :, None].astype(
        np.float32
    )
    there = cv2.warpAffine(change, to_photo, (photo.shape[1], photo.shape[0]), flags=cv2.INTER_CUBIC)
    return np.clip(np.rint(photo + there), 0, 255).astype(np.uint8)


def measure(photo: Image, result: Image, face: FacePaste) -> dict[str, float]:
    """Figures of one result.

    left: how strong the photo's edges still are where the edit took one away; stray: edges that stand in
    neither photo nor edit; outside: levels changed around the face; off: levels between the result and the
    edited face in the photo's colours; detail: fine structure of the face over that of the photo.
    """
    edited, before = (_sized(one, SIDE_PX) for one in (face.edited, face.reconstruction))
    own, pasted = (_levels(one, face.quad, SIDE_PX) for one in (photo, result))
    oval = _oval(SIDE_PX)
    ideal = edited + cv2.GaussianBlur(own - before, (0, 0), 0.07 * SIDE_PX)
    e_own, e_res, e_edit, e_before, e_ideal = (edges(one) for one in (own, pasted, edited, before, ideal))
    gone = np.clip(_spread(e_before) - 1.5 * _spread(e_edit), 0, None) * oval
    fine = [_fine(_levels(one, face.quad, _FINE_PX)) for one in (photo, result)]
    inner = _oval(_FINE_PX)
    return {
        "left": float((gone * np.minimum(e_res, e_own)).sum() / max((gone * e_own).sum(), 1e-6)),
        "stray": float(np.clip(e_res - 1.1 * np.maximum(_spread(e_own), _spread(e_ideal)), 0, None).mean()),
        "outside": float((np.abs(pasted - own).mean(axis=2) * (1 - oval)).sum() / (1 - oval).sum()),
        "off": float((np.abs(pasted - ideal).mean(axis=2) * oval).sum() / oval.sum()),
        "detail": float((fine[1] * inner).sum() / max((fine[0] * inner).sum(), 1e-6)),
    }


def edges(picture: FloatArray) -> FloatArray:
    """Strength of edges, levels per pixel."""
    gray = cv2.GaussianBlur(picture.mean(axis=2), (0, 0), 1.2)
    return cv2.magnitude(cv2.Sobel(gray, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(gray, cv2.CV_32F, 0, 1) / 8)


def _spread(strength: FloatArray) -> FloatArray:
    return cv2.dilate(strength, np.ones((5, 5), np.uint8))


def _fine(picture: FloatArray) -> FloatArray:
    gray = picture.mean(axis=2)
    return np.abs(gray - cv2.GaussianBlur(gray, (0, 0), 1.5))


def _levels(picture: Image, quad: Quad, side: int) -> FloatArray:
    return align_face(picture, quad, output_px=side, transform_px=2 * side).astype(np.float32)


def _sized(face: FloatArray, side: int) -> FloatArray:
    return cv2.resize(np.clip(face, 0, 255).astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)


def _oval(side: int) -> FloatArray:
    place = (np.arange(side) + 0.5) / side
    away = np.hypot((place[None, :] - 0.5) / 0.38, (place[:, None] - 0.51) / 0.46)
    return (away < 1).astype(np.float32)


def _cases() -> Iterator[tuple[Image, Quad, FloatArray, str, float, FloatArray]]:
    folder = Path(os.environ.get("CONTRASTYLE_DATA", "../shared/data")) / "portraits"
    with (folder / "eyes.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    services = Services(default_paths(), Settings(), Path(tempfile.mkdtemp()))
    for row in rows[:: max(len(rows) // PORTRAITS, 1)][:PORTRAITS]:
        eyes = [(float(row[f"{side}_eye_x"]), float(row[f"{side}_eye_y"])) for side in ("left", "right")]
        request = InvertRequest(
            PhotoSource(path=folder / row["file"]), points=typical_points(*eyes), model=MODEL
        )
        session = services.faces.sessions.get(drive(invert_photo.run(request, services))[1].session_id)
        photo = services.read_photo(session.source)
        before = tensor_to_levels(services.faces.synthesize_step(session, 0))
        for name in EDITS:
            slider = next(one for one in services.faces.directions(MODEL) if one.name == name)
            for strength in STRENGTHS:
                edit = Edit(strengths=((name, min(strength, slider.maximum)),))
                after = tensor_to_levels(services.faces.synthesize_edit(session, edit))
                yield photo, session.quad, before, name, strength, after
