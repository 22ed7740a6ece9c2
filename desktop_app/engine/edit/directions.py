"""Edit directions of a model: their file, the fall-back when there is none, and applying them.

Directions lie beside their model as `<model>.directions.safetensors` (one (L, D) tensor a name) and
`<model>.directions.json` (what each is, in the order of the sliders, and the digest of the weights
they were found in).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError

from desktop_app.core.errors import ResourceError, UserInputError, WeightsError, display_path
from desktop_app.core.types import DirectionFacts, DirectionInfo, FloatArray
from desktop_app.engine.edit.discover import factorise, modulation_weights
from desktop_app.engine.networks.stylegan2 import Generator
from desktop_app.engine.weights.store import DIRECTIONS_ENDING

FILE_VERSION = 1
WEIGHTS_ENDING = ".directions.safetensors"
KINDS = ("sefa", "pca", "attribute")
# Strength at a slider's ends before calibration; the range of the official tool.
PLAIN_RANGE = 3.0
# Rows of a code by the share of their index: what they steer, and how the sliders are called.
GROUPS = (
    ("coarse", "Pose and shape", 0.0, 0.3),
    ("middle", "Features", 0.3, 0.6),
    ("fine", "Colours and detail", 0.6, 1.0),
)
PER_GROUP = 3


@dataclass(frozen=True, slots=True)
class Direction:
    """A way to move a code, (L, D).

    Attributes:
        name: Key, for example `sefa.coarse.1`.
        label: Text of the slider.
        kind: `sefa`, `pca` or `attribute`.
        vector: What is added to a W+ code per unit of strength, (L, D) float32, read-only.
        minimum: Strength at the left end, negative.
        maximum: Strength at the right end, positive.
        layers: Rows that it moves.
        facts: What it was measured to change; None: not measured.
    """

    name: str
    label: str
    kind: str
    vector: FloatArray
    minimum: float
    maximum: float
    layers: tuple[int, ...]
    facts: DirectionFacts | None = None

    @property
    def info(self) -> DirectionInfo:
        """What the window needs to show a slider."""
        return DirectionInfo(self.name, self.label, self.kind, self.minimum, self.maximum, self.facts)


def edit_code(
    w_plus: FloatArray, directions: Sequence[Direction], strengths: Sequence[tuple[str, float]]
) -> FloatArray:
    """Move a code along directions; several simply add up.

    Args:
        w_plus: (L, D).
        directions: The model's directions.
        strengths: Name and strength of each; names that are not given count as 0.

    Returns:
        A new (L, D) float32 code, read-only.

    Raises:
        UserInputError: A name is unknown or a strength is no finite number.
    """
    known: Mapping[str, Direction] = {direction.name: direction for direction in directions}
    edited = np.array(w_plus, dtype=np.float32)
    for name, strength in strengths:
        direction = known.get(name)
        if direction is None:
            raise UserInputError(
                f"The model has no edit direction '{name}'.", f"It has: {', '.join(known) or 'none'}."
            )
        if not math.isfinite(strength):
            raise UserInputError(f"The strength of '{name}' is no finite number.", "Give a number such as 2.")
        if direction.vector.shape != edited.shape:
            raise UserInputError(f"The edit direction '{name}' belongs to another model.")
        edited += np.float32(strength) * direction.vector
    edited.setflags(write=False)
    return edited


def make_direction(
    name: str, label: str, kind: str, *, vector: np.ndarray, reach: tuple[float, float] | None = None
) -> Direction:
    """A direction with a locked copy of its vector.

    Args:
        name: Key.
        label: Text of the slider.
        kind: `sefa`, `pca` or `attribute`.
        vector: (L, D).
        reach: Strengths at the ends; None: the plain range.
    """
    locked = np.array(vector, dtype=np.float32)
    locked.setflags(write=False)
    minimum, maximum = reach or (-PLAIN_RANGE, PLAIN_RANGE)
    rows = tuple(int(k) for k in np.flatnonzero(np.abs(locked).max(axis=1) > 0))
    return Direction(name, label, kind, locked, float(minimum), float(maximum), rows)


def closed_form_directions(generator: Generator, per_group: int = PER_GROUP) -> tuple[Direction, ...]:
    """Directions of any generator without data or labels, at least six: SeFa on groups of rows.

    Ranges are not calibrated yet.
    """
    weights = modulation_weights(generator)
    count = len(weights)
    found = []
    for key, label, first, last in GROUPS:
        rows = [k for k in range(count) if first <= k / count < last] or [min(int(first * count), count - 1)]
        directions = factorise(weights, rows).directions
        for number in range(min(per_group, len(directions))):
            vector = np.zeros((count, generator.style_dim), dtype=np.float32)
            vector[rows] = directions[number]
            found.append(
                make_direction(f"sefa.{key}.{number + 1}", f"{label} {number + 1}", "sefa", vector=vector)
            )
    return tuple(found)


def direction_files(folder: Path, model: str) -> tuple[Path, Path]:
    """The list and the tensors of a model's directions."""
    return folder / f"{model}{DIRECTIONS_ENDING}", folder / f"{model}{WEIGHTS_ENDING}"


def save_directions(
    folder: Path, model: str, *, directions: Sequence[Direction], sha256: str
) -> tuple[Path, Path]:
    """Write directions beside their model, each file to a temporary one that is renamed.

    Args:
        folder: Folder of the model.
        model: Its name.
        directions: In the order of the sliders.
        sha256: Digest of the model's weights.

    Returns:
        Both files.

    Raises:
        ResourceError: They cannot be written.
    """
    listing, tensors = direction_files(folder, model)
    content = {
        "version": FILE_VERSION,
        "model": model,
        "model_sha256": sha256,
        "directions": [
            {
                "name": d.name,
                "label": d.label,
                "kind": d.kind,
                "minimum": d.minimum,
                "maximum": d.maximum,
                **({"facts": asdict(d.facts)} if d.facts else {}),
            }
            for d in directions
        ],
    }
    vectors = {d.name: torch.from_numpy(np.array(d.vector)).contiguous() for d in directions}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, write in (
            (tensors, lambda path: safetensors.torch.save_file(vectors, path)),
            (listing, lambda path: path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")),
        ):
            temporary = file.with_name(f".{file.name}.tmp")
            write(temporary)
            temporary.replace(file)
    except OSError as error:
        raise ResourceError(
            f"The directions could not be written to {display_path(folder)}: {error.strerror}.",
            "Check that the disk is not full and that you may write there.",
        ) from error
    return listing, tensors


def load_directions(
    folder: Path, model: str, *, shape: tuple[int, int], sha256: str
) -> tuple[Direction, ...] | None:
    """Read the directions beside a model.

    Args:
        folder: Folder of the model.
        model: Its name.
        shape: (L, D) of the model's codes.
        sha256: Digest of the model's weights; directions of other weights are refused.

    Returns:
        The directions, or None when there is no such file.

    Raises:
        WeightsError: The files are damaged or belong to other weights.
    """
    listing, tensors = direction_files(folder, model)
    if not listing.is_file():
        return None
    try:
        content = json.loads(listing.read_text(encoding="utf-8"))
        if content["version"] != FILE_VERSION or content["model_sha256"] != sha256:
            raise WeightsError(f"The directions {listing.name} belong to other weights of '{model}'.")
        vectors = safetensors.torch.load_file(tensors)
        return tuple(
            _checked(entry, vectors[entry["name"]], shape=shape, file=tensors)
            for entry in content["directions"]
        )
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"The directions {display_path(listing)} are not usable: {error!r}.") from error


def _checked(entry: dict[str, Any], vector: torch.Tensor, *, shape: tuple[int, int], file: Path) -> Direction:
    """A direction of a file, or a `WeightsError` that says what is wrong with it."""
    name = str(entry["name"])
    minimum, maximum = float(entry["minimum"]), float(entry["maximum"])
    if tuple(vector.shape) != shape:
        raise WeightsError(f"{file.name}: '{name}' is {tuple(vector.shape)} instead of {shape}.")
    if not vector.isfinite().all() or not vector.any():
        raise WeightsError(f"{file.name}: '{name}' is zero or holds values that are no numbers.")
    if entry["kind"] not in KINDS or not minimum < maximum or not math.isfinite(maximum - minimum):
        raise WeightsError(f"{file.name}: kind or range of '{name}' is not usable.")
    direction = make_direction(
        name,
        str(entry["label"]),
        str(entry["kind"]),
        vector=vector.float().numpy(),
        reach=(minimum, maximum),
    )
    return replace(direction, facts=_facts(entry["facts"])) if entry.get("facts") else direction


def _facts(saved: dict[str, Any]) -> DirectionFacts:
    """Facts as they lie in the file."""
    changes = tuple((str(label), float(value)) for label, value in saved["changes"])
    accuracy, identity = saved["accuracy"], saved["identity"]
    return DirectionFacts(
        accuracy=None if accuracy is None else float(accuracy),
        faces=int(saved["faces"]),
        strength=float(saved["strength"]),
        changes=changes,
        identity=None if identity is None else float(identity),
        strangers=float(saved["strangers"]),
        judge=str(saved["judge"]),
    )
