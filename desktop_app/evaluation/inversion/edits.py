"""How well codes can be edited: equal moves on each method's code, and what they do to the picture.

All methods of one generator get the very same moves, so that a stronger answer of the measured
attribute at less drift of the person means a code that edits better. Latent-editing consistency
(e4e; Tov et al., 2021; reference, section 8): edit a code, render it, invert that picture, take the
edit back, and see how far from the first code one ends.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from desktop_app.core.errors import WeightsError
from desktop_app.core.types import FloatArray, Image
from desktop_app.engine.edit.attributes import ATTRIBUTES
from desktop_app.engine.edit.calibrate import average_codes, calibrated, target_of
from desktop_app.engine.edit.directions import Direction, closed_form_directions, load_directions
from desktop_app.engine.edit.imported import imported_directions
from desktop_app.engine.invert.model import InversionModel
from desktop_app.engine.invert.restyle import render
from desktop_app.engine.weights.store import ModelCard, ModelStore
from desktop_app.evaluation.inversion.meters import Meters

# Shares of a slider's ends at which edits are measured.
SHARES = (-1.0, -0.5, 0.5, 1.0)
# Share at which consistency is measured; half a slider, as age +-3 of +-5 in the official example.
CONSISTENCY_SHARE = 0.5
MOST_DIRECTIONS = 3
CHANGE_LABEL = "Change of the picture (root mean square)"

_MEASURES: dict[str, tuple[str, Callable[[Image], float]]] = {
    one.name: (one.label, one.value) for one in ATTRIBUTES
}


@dataclass(frozen=True, slots=True)
class EditPlan:
    """The directions of one generator, the same for all its methods.

    Attributes:
        directions: At most three: those whose effect can be measured first.
        digest: Of their values.
    """

    directions: tuple[Direction, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class EditValue:
    """What one edit did to one reconstruction.

    Attributes:
        direction: Its name.
        share: Of the slider's end, -1 to 1; the strength is the same for all methods.
        attribute: Change of the measured attribute; root mean square change of the picture where
            the direction has no measure.
        drift: 1 - identity of the edited with the unedited reconstruction.
        identity: Identity of the edited reconstruction with the photo.
    """

    direction: str
    share: float
    attribute: float
    drift: float
    identity: float


def plan_edits(store: ModelStore, card: ModelCard, model: InversionModel) -> EditPlan:
    """Choose directions: measurable ones, then imported and principal ones, then closed-form ones."""
    stored = _stored(card, model) or _closed_form(model)
    every = (*stored, *imported_directions(store, shape=(model.n_styles, model.style_dim)))
    chosen = tuple(sorted(every, key=_rank)[:MOST_DIRECTIONS])
    digest = hashlib.sha256()
    for direction in chosen:
        digest.update(f"{direction.name} {direction.minimum} {direction.maximum}".encode())
        digest.update(direction.vector.tobytes())
    return EditPlan(chosen, digest.hexdigest()[:16])


def is_measured(direction: Direction) -> bool:
    """Whether what the direction is meant to change can be read off a picture."""
    return direction.name in _MEASURES


def measure_label(direction: Direction) -> str:
    """What is measured of a direction."""
    measure = _MEASURES.get(direction.name)
    return measure[0] if measure else CHANGE_LABEL


def attribute_of(direction: str, image: Image) -> float:
    """The measured attribute of a picture; 0 where the direction has no measure."""
    measure = _MEASURES.get(direction)
    return measure[1](image) if measure else 0.0


def strength_at(direction: Direction, share: float) -> float:
    """Strength at a share of the slider's end on that side."""
    return share * direction.maximum if share >= 0 else -share * direction.minimum


def edited_pictures(model: InversionModel, code: FloatArray, direction: Direction) -> list[Image]:
    """The code rendered at every share, (H, W, 3) uint8 each."""
    return [
        render(model, code + np.float32(strength_at(direction, share)) * direction.vector) for share in SHARES
    ]


def edit_values(
    direction: Direction, pictures: Sequence[Image], *, before: Image, photo: Image, meters: Meters
) -> list[EditValue]:
    """What the edits did.

    Args:
        direction: Along which.
        pictures: At every share.
        before: The unedited code rendered in the same way.
        photo: The aligned photo.
        meters: Tell persons apart.
    """
    kept = meters.likeness(pictures, before) or [float("nan")] * len(pictures)
    alike = meters.likeness(pictures, photo) or [float("nan")] * len(pictures)
    has_measure = direction.name in _MEASURES
    start = attribute_of(direction.name, before)
    values = []
    for share, picture, same, identity in zip(SHARES, pictures, kept, alike, strict=True):
        change = attribute_of(direction.name, picture) - start if has_measure else _rms(picture, before)
        values.append(EditValue(direction.name, share, change, 1.0 - same, identity))
    return values


def consistency(code: FloatArray, again: FloatArray, move: FloatArray) -> float:
    """Distance of a code to the one found for its edited picture, the edit taken back."""
    return float(np.linalg.norm(code - (again - move)))


def consistency_move(plan: EditPlan) -> FloatArray | None:
    """The move whose consistency is measured, (L, D)."""
    if not plan.directions:
        return None
    first = plan.directions[0]
    move: FloatArray = np.float32(strength_at(first, CONSISTENCY_SHARE)) * first.vector
    return move


def _rank(direction: Direction) -> int:
    if direction.name in _MEASURES:
        return 0
    return {"attribute": 1, "pca": 2}.get(direction.kind, 3)


def _stored(card: ModelCard, model: InversionModel) -> tuple[Direction, ...]:
    try:
        found = load_directions(
            card.folder, card.name, shape=(model.n_styles, model.style_dim), sha256=card.sha256
        )
    except WeightsError:
        return ()
    return found or ()


def _closed_form(model: InversionModel) -> tuple[Direction, ...]:
    codes = average_codes(model)
    plain = closed_form_directions(model.generator, per_group=1)
    ranged = [calibrated(one, model, codes, target=target_of(one)) for one in plain]
    return tuple(one for one in ranged if one is not None) or plain


def _rms(first: Image, second: Image) -> float:
    """Root mean square difference, range [-1, 1]."""
    difference = (first.astype(np.float64) - second.astype(np.float64)) / 127.5
    return float(np.sqrt((difference**2).mean()))
