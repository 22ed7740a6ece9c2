"""Directions to look at: a sheet of faces and strengths for each, and the table of what else changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from desktop_app.core.types import FloatArray, Image
from desktop_app.engine.edit.directions import Direction
from desktop_app.engine.image_file import write_file, write_image
from desktop_app.engine.invert.model import InversionModel
from desktop_app.training.edit_effects import render_codes

SHARES = (-1.0, -0.5, 0.0, 0.5, 1.0)
FACES = 4
GAP_PX = 4
# Smaller changes are not printed.
LEAST_SHOWN = 0.1
MOST_SHOWN = 5


def direction_sheet(model: InversionModel, direction: Direction, codes: FloatArray) -> Image:
    """Faces (rows) at shares of the slider (columns), the unchanged face in the middle.

    Args:
        model: Makes the pictures.
        direction: The direction.
        codes: Faces, (N, L, D); the first few are shown.
    """
    lines = []
    for code in codes[:FACES]:
        moved = [code + np.float32(_strength(direction, share)) * direction.vector for share in SHARES]
        lines.append(_joined(render_codes(model, np.stack(moved)), axis=1))
    return _joined(lines, axis=0)


def write_sheets(
    folder: Path, model: InversionModel, directions: Sequence[Direction], *, codes: FloatArray
) -> list[Path]:
    """One PNG for each direction; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for direction in directions:
        file = folder / f"{direction.name}.png"
        write_image(direction_sheet(model, direction, codes), file)
        files.append(file)
    return files


def write_table(file: Path, model: str, directions: Sequence[Direction]) -> None:
    """The page of a model's directions, as Markdown."""
    text = effects_table(model, directions)
    write_file(file, lambda handle: handle.write(text.encode("utf-8")))


def effects_table(model: str, directions: Sequence[Direction]) -> str:
    """Name, range, accuracy, and what else changes, one line for each direction."""
    judge = next((d.facts.judge for d in directions if d.facts and d.facts.judge), "")
    strangers = next((d.facts.strangers for d in directions if d.facts and d.facts.judge), 0.0)
    lines = [
        f"# Edit directions of {model}",
        "",
        "All faces are of training people; a quarter of them was kept apart and gives the figures.",
        "*Right*: share of their faces on the right side of the boundary, both sides weighing alike",
        "(0.50 is chance). *What changes*: standard deviations between faces at the stated strength,",
        "half the difference of a step forwards and backwards. *Same face*: similarity with the",
        f"unchanged face at that strength by {judge or 'nobody'} (different people: {strangers:.2f}).",
        "Sex and age are those that the sources record, mostly of public officials: the directions",
        "carry that skew.",
        "",
        "| Direction | Slider | Range | Right | Strength | What changes | Same face |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [_line(direction) for direction in directions]
    return "\n".join(lines) + "\n"


def _line(direction: Direction) -> str:
    facts = direction.facts
    reach = f"{direction.minimum:g} … {direction.maximum:g}"
    head = f"| `{direction.name}` | {direction.label} | {reach} |"
    if facts is None:
        return f"{head} | | | |"
    right = "" if facts.accuracy is None else f"{facts.accuracy:.2f} of {facts.faces}"
    shown = [f"{label} {value:+.2f}" for label, value in facts.changes if abs(value) >= LEAST_SHOWN]
    same = "" if facts.identity is None else f"{facts.identity:.2f}"
    return f"{head} {right} | {facts.strength:g} | {'; '.join(shown[:MOST_SHOWN])} | {same} |"


def _strength(direction: Direction, share: float) -> float:
    return share * direction.maximum if share >= 0 else -share * direction.minimum


def _joined(pictures: Sequence[Image], *, axis: int) -> Image:
    """Pictures beside or below each other with white gaps."""
    height, width = pictures[0].shape[:2]
    gap = np.full((height, GAP_PX, 3) if axis == 1 else (GAP_PX, width, 3), 255, dtype=np.uint8)
    parts = [pictures[0]]
    for picture in pictures[1:]:
        parts += [gap, picture]
    return np.concatenate(parts, axis=axis)
