"""Edit directions of a face model, found on real faces: labelled, principal, and closed-form ones.

Faces of the `train` people are inverted. Labels of the index (sex, age) and properties that can be read
off the picture (smile, glasses, light ...) give labelled directions (`edit_boundaries`); a quarter of the
people, kept apart, tells how well each boundary holds for others, and on their faces it is measured what
else a direction changes (`edit_effects`). Where two are entangled, a conditional one is added.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from desktop_app.core.types import FloatArray, Image, Progress
from desktop_app.engine.edit.calibrate import calibrated, target_of
from desktop_app.engine.edit.directions import Direction, closed_form_directions, make_direction
from desktop_app.engine.edit.discover import PrincipalDirections, principal_directions
from desktop_app.engine.image_tensor import images_to_tensor, resized_image
from desktop_app.engine.invert.model import InversionModel
from desktop_app.engine.invert.restyle import passes
from desktop_app.training.edit_boundaries import Boundary, CodeSpace, conditional_normal, fit_boundary
from desktop_app.training.edit_effects import Effect, EffectBench, Identity, Reader, make_reader, readable
from desktop_app.training.edit_labels import LABELS, Face, choose_faces, held_out, label_values, read_face

_log = logging.getLogger(__name__)

BATCH = 16
# Share of the people who are kept for measuring.
HELD_OUT = 0.25
# A labelled direction is kept when its boundary is right this often for held-out people.
LEAST_ACCURACY = 0.58
# Codes on which slider ranges are measured, and on which side effects are.
CALIBRATION_CODES = 4
MEASURED_CODES = 12
# Real faces hardly lie further out than this along a principal direction, in standard deviations.
LARGEST_DEVIATION = 3.5
# Ends of a labelled slider: at most so many standard deviations of its own property ...
MOST_UNITS = 2.5
# ... and the person no nearer to a stranger than to himself.
LEAST_LIKENESS = 0.5
# From this change on another property counts as entangled, and a conditional direction has to take
# at least this share of it away.
ENTANGLED = 0.4
LEAST_RELIEF = 0.35
MOST_LOST_LIKENESS = 0.1
MOST_CONDITIONAL = 6
# An unlabelled direction is named after the properties that it changes at least so much.
NAMING_CHANGE = 0.4
MOST_NAMED = 2


@dataclass(frozen=True, slots=True)
class DirectionConfig:
    """How directions are found.

    Attributes:
        faces: Folder with `index.csv` (file, split, person, labels) and aligned faces.
        steps: Inversion steps per face.
        most_faces: Faces that are inverted.
        principal: Principal directions kept.
        per_group: Closed-form directions kept per group of rows.
        seed: Seed of all choices.
    """

    faces: Path
    steps: int = 5
    most_faces: int = 1200
    principal: int = 6
    per_group: int = 2
    seed: int = 0


@dataclass(frozen=True, slots=True)
class FoundDirections:
    """Directions in the order of the sliders, and what is known of each.

    Attributes:
        directions: Labelled (with conditional ones), principal, closed-form.
        facts: Name -> accuracy on held-out people (also of labels that were left out), or share of variance.
        samples: Codes of held-out people, (N, L, D), to show the directions on.
    """

    directions: tuple[Direction, ...]
    facts: dict[str, float]
    samples: FloatArray


@dataclass(frozen=True, slots=True)
class _Known:
    """What inversion and labels say of the faces."""

    codes: FloatArray
    pictures: list[Image]
    values: np.ndarray
    measured: np.ndarray


@dataclass(frozen=True, slots=True)
class _Labelled:
    """A labelled direction in the making: one unit of strength changes its property by one deviation."""

    name: str
    label: str
    normal: np.ndarray
    vector: FloatArray
    boundary: Boundary
    effect: Effect


def find_directions(
    model: InversionModel, config: DirectionConfig, *, identity: Identity | None = None
) -> Iterator[Progress | FoundDirections]:
    """Invert faces and find directions.

    Args:
        model: The model.
        config: How.
        identity: Tells how far the person changes; None: not measured.

    Yields:
        Progress, then the directions as the last item.

    Raises:
        UserInputError: The folder holds no aligned faces.
    """
    faces = choose_faces(config.faces, count=config.most_faces, seed=config.seed)
    known = yield from _invert_all(model, faces, config)
    space = CodeSpace.of(known.codes[~known.measured])
    principal = principal_directions(known.codes[~known.measured], config.principal)
    bench = _bench(model, known, identity)
    facts: dict[str, float] = {}
    labelled: list[_Labelled] = []
    if model.preset.needs_alignment:
        labelled = yield from _labelled(space, known, bench, facts=facts, seed=config.seed)
    found = _with_conditional(labelled, space, bench)
    for number in range(len(principal.components)):
        direction = _principal_slider(principal, number)
        found.append(direction)
        facts[direction.name] = float(principal.explained[number])
    found += closed_form_directions(model.generator, config.per_group)
    held = known.codes[known.measured]
    ranged = yield from _ranged(found, model, bench, samples=list(held[:CALIBRATION_CODES]))
    yield FoundDirections(tuple(ranged), facts, held[:MEASURED_CODES])


def _invert_all(
    model: InversionModel, faces: Sequence[Face], config: DirectionConfig
) -> Generator[Progress, None, _Known]:
    codes: list[FloatArray] = []
    pictures: list[Image] = []
    values: list[list[float]] = []
    for first in range(0, len(faces), BATCH):
        yield Progress(first, len(faces), text="Inverting faces")
        group = faces[first : first + BATCH]
        images = [read_face(face) for face in group]
        found, shown = _invert(model, images, steps=config.steps)
        codes.append(found)
        pictures += shown
        values += [
            [label.value(face, image) for label in LABELS] for face, image in zip(group, images, strict=True)
        ]
    measured = held_out(faces, share=HELD_OUT, seed=config.seed)
    return _Known(np.concatenate(codes), pictures, label_values(LABELS, faces, np.array(values)), measured)


def _invert(model: InversionModel, images: Sequence[Image], *, steps: int) -> tuple[FloatArray, list[Image]]:
    height, width = model.input_size
    small = np.stack([resized_image(image, width_px=width, height_px=height) for image in images])
    with torch.inference_mode():
        x = images_to_tensor(small).to(model.device)
        *_, last = islice(passes(model, x), steps)
        codes: FloatArray = last.w_plus.float().cpu().numpy()
        return codes, readable(last.y_hat)


def _bench(model: InversionModel, known: _Known, identity: Identity | None) -> EffectBench:
    """Held-out faces with all properties that can be read; readers are fitted on the other people."""
    taught = np.flatnonzero(~known.measured)
    pictures = [known.pictures[k] for k in taught]
    readers: list[Reader] = []
    if model.preset.needs_alignment:
        made = [make_reader(one, pictures, known.values[taught, k]) for k, one in enumerate(LABELS)]
        readers = [reader for reader in made if reader is not None]
    shown = known.codes[known.measured][:MEASURED_CODES]
    return EffectBench(model, shown, readers=readers, identity=identity)


def _labelled(
    space: CodeSpace, known: _Known, bench: EffectBench, *, facts: dict[str, float], seed: int
) -> Generator[Progress, None, list[_Labelled]]:
    """Directions along which a label changes, where held-out people confirm it."""
    rows = space.standardised(known.codes)
    readable_names = {reader.name for reader in bench.readers}
    made: list[_Labelled] = []
    for column, label in enumerate(LABELS):
        yield Progress(column, len(LABELS), text="Separating faces")
        boundary = fit_boundary(rows, known.values[:, column], measured=known.measured, seed=seed)
        if boundary is None:
            continue
        facts[label.name] = boundary.accuracy
        _log.info("%s: right for %.3f of %d held-out faces", label.name, boundary.accuracy, boundary.faces)
        if boundary.accuracy < LEAST_ACCURACY or label.name not in readable_names:
            continue
        unit = _unit_move(label.name, space.move(boundary.normal), bench)
        if unit is None:
            _log.info("%s: the pictures do not follow", label.name)
            continue
        made.append(_Labelled(label.name, label.label, boundary.normal, unit[0], boundary, unit[1]))
    return made


def _unit_move(name: str, vector: FloatArray, bench: EffectBench) -> tuple[FloatArray, Effect] | None:
    """The move scaled so that strength 1 changes its own property by one deviation."""
    length = float(np.linalg.norm(vector))
    answer = bench.unit_strength(vector / max(length, 1e-9), name, start=4.0)
    if answer is None:
        return None
    strength, effect = answer
    return (vector * np.float32(strength / length)).astype(np.float32), effect


def _with_conditional(labelled: list[_Labelled], space: CodeSpace, bench: EffectBench) -> list[Direction]:
    """The labelled directions, each followed by one that leaves what it is most entangled with."""
    pairs = []
    by_name = {one.name: one for one in labelled}
    for one in labelled:
        others = {n: v for n, v in one.effect.changes.items() if n in by_name and n != one.name}
        worst = max(others, key=lambda name: abs(others[name]), default="")
        if worst and abs(others[worst]) >= ENTANGLED:
            pairs.append((abs(others[worst]), one.name, worst))
    wanted = {name: other for _, name, other in sorted(pairs, reverse=True)[:MOST_CONDITIONAL]}
    found = []
    for one in labelled:
        found.append(_direction(one, bench))
        if one.name in wanted:
            freed = _conditional(one, by_name[wanted[one.name]], space, bench=bench)
            found += [_direction(freed, bench)] if freed else []
    return found


def _conditional(
    one: _Labelled, other: _Labelled, space: CodeSpace, *, bench: EffectBench
) -> _Labelled | None:
    """A direction of the same property that leaves the other's, the better of two ways; None: neither helps.

    InterFaceGAN's projection takes the other's normal out; where the two are entangled in the generator
    rather than in the boundary, the measured change is taken back with the other's own direction.
    """
    normal = conditional_normal(one.normal, other.normal)
    change = one.effect.changes[other.name]
    tries = (space.move(normal), one.vector - np.float32(change) * other.vector)
    units = [unit for vector in tries if (unit := _unit_move(one.name, vector, bench))]
    good = [unit for unit in units if _is_relief(one, unit[1], other.name)]
    if not good:
        return None
    best = min(good, key=lambda unit: abs(unit[1].changes[other.name]))
    label = f"{one.label} · keeps {other.name}"
    return _Labelled(f"{one.name}.keep.{other.name}", label, normal, best[0], one.boundary, best[1])


def _is_relief(one: _Labelled, effect: Effect, other: str) -> bool:
    """Whether a move takes the other change away, brings no larger one, and keeps the person as well."""

    def worst(changes: dict[str, float]) -> float:
        return max((abs(value) for name, value in changes.items() if name != one.name), default=0.0)

    relieves = abs(effect.changes[other]) <= (1 - LEAST_RELIEF) * abs(one.effect.changes[other])
    is_worse = worst(effect.changes) > worst(one.effect.changes)
    loses_face = one.effect.identity - effect.identity > MOST_LOST_LIKENESS  # False where nobody judges
    return relieves and not is_worse and not loses_face


def _direction(one: _Labelled, bench: EffectBench) -> Direction:
    facts = bench.facts(one.effect, 1.0, accuracy=one.boundary.accuracy, faces=one.boundary.faces)
    reach = (-MOST_UNITS, MOST_UNITS)
    plain = make_direction(one.name, one.label, "attribute", vector=one.vector, reach=reach)
    return replace(plain, facts=facts)


def _principal_slider(principal: PrincipalDirections, number: int) -> Direction:
    """One unit of strength is a standard deviation of real codes."""
    deviation = max(float(principal.std[number]), 1e-6)
    return make_direction(
        f"pca.{number + 1}",
        f"Principal direction {number + 1}",
        "pca",
        vector=principal.components[number] * np.float32(deviation),
        reach=(-LARGEST_DEVIATION, LARGEST_DEVIATION),
    )


def _ranged(
    found: Sequence[Direction], model: InversionModel, bench: EffectBench, *, samples: Sequence[FloatArray]
) -> Generator[Progress, None, list[Direction]]:
    """Directions with slider ends; those that change next to nothing are left out."""
    ranged = []
    for number, direction in enumerate(found):
        yield Progress(number, len(found), text="Measuring slider ranges")
        limited = calibrated(direction, model, samples, target=target_of(direction))
        if limited is None:
            continue
        if direction.kind != "sefa":
            limited = replace(
                limited,
                minimum=max(limited.minimum, direction.minimum),
                maximum=min(limited.maximum, direction.maximum),
            )
        if direction.kind == "attribute":
            limited = _while_the_face_stays(limited, bench)
        ranged.append(limited if limited.facts else _named_by_effect(limited, bench))
    return ranged


def _while_the_face_stays(direction: Direction, bench: EffectBench) -> Direction:
    """Ends drawn in until the person is nearer to himself than to a stranger."""
    if math.isnan(bench.strangers):
        return direction
    least = bench.strangers + LEAST_LIKENESS * (1.0 - bench.strangers)
    ends = []
    for end in (direction.minimum, direction.maximum):
        for _ in range(6):
            if bench.identity_at(direction.vector, end) >= least:
                break
            end *= 0.82
        ends.append(float(f"{end:.2g}"))
    return replace(direction, minimum=ends[0], maximum=ends[1])


def _named_by_effect(direction: Direction, bench: EffectBench) -> Direction:
    """Measured, and named after the one or two properties that it changes most, if it clearly does."""
    limit = 1.0 if direction.kind == "pca" else math.inf
    share = 1.0 if direction.kind == "pca" else 0.5
    strength = share * min(limit, direction.maximum, -direction.minimum)
    effect = bench.effect(direction.vector, strength)
    facts = bench.facts(effect, strength, accuracy=None, faces=MEASURED_CODES)
    measured = replace(direction, facts=facts)
    clear = [(label, value) for label, value in facts.changes if abs(value) >= NAMING_CHANGE][:MOST_NAMED]
    if not clear:
        return measured
    if clear[0][1] < 0:
        measured, clear = _turned(measured), [(label, -value) for label, value in clear]
    words = [("" if value > 0 else "less ") + label[0].lower() + label[1:] for label, value in clear]
    return replace(measured, label=f"{direction.label}: {', '.join(words)}")


def _turned(direction: Direction) -> Direction:
    """The same slider with its ends exchanged."""
    vector = -direction.vector
    vector.setflags(write=False)
    facts = direction.facts
    if facts is not None:
        facts = replace(facts, changes=tuple((label, -value) for label, value in facts.changes))
    return replace(
        direction, vector=vector, minimum=-direction.maximum, maximum=-direction.minimum, facts=facts
    )
