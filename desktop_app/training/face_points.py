"""Training of the eye-point cascade on aligned faces, and of its face score against look-alikes."""

from __future__ import annotations

import csv
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from desktop_app.core.errors import UserInputError, display_path
from desktop_app.core.types import FloatArray, Progress
from desktop_app.engine.align.face_points import (
    ARCHITECTURE,
    MODEL_NAME,
    WINDOW_PX,
    FacePointModel,
    Gray,
    Pose,
    correction_between,
    describe,
    eyes_from_pose,
    feature_count,
    moved,
    pose_from_eyes,
)
from desktop_app.engine.weights.store import ModelCard, write_model

_log = logging.getLogger(__name__)

# Framing of the aligned faces: half side 2 eye distances, centre 0.11 below the eye line.
EYE_LINE = 0.5 - 0.11 / 4
EYE_OFFSET = 0.125
WORK_PX = 128
# From this score on a look-alike is worth learning from again.
HARD_SCORE = -0.5


@dataclass(frozen=True, slots=True)
class FacePointConfig:
    """How the cascade is trained.

    Attributes:
        faces: Folder with `index.csv` (file, split) and the aligned faces.
        photos: Folder of pictures without faces, for the score.
        out: Folder of the model.
        stages: Corrections in a row.
        starts: Rough poses tried per face.
        look_alikes: Windows without a face, taken at random.
        hard_look_alikes: Further ones that the score of the first round took for faces, or nearly.
        ridge: Weight of the penalty on large coefficients, relative to the mean feature energy.
        shift: Standard deviation of a start's shift in eye distances.
        log_scale: Standard deviation of its log scale.
        roll: Largest roll of a start, radians.
        seed: Seed of all random choices.
        licence: Text for the card.
    """

    faces: Path
    photos: Path
    out: Path
    stages: int = 5
    starts: int = 4
    look_alikes: int = 12_000
    hard_look_alikes: int = 4_000
    ridge: float = 0.3
    shift: float = 0.14
    log_scale: float = 0.13
    roll: float = math.radians(28)
    seed: int = 0
    licence: str = "MIT"


@dataclass(frozen=True, slots=True)
class FacePointResult:
    """The model's card and its figures on the `val` people."""

    card: ModelCard
    median_error: float
    p90_error: float
    kept_faces: float
    kept_look_alikes: float


def train_face_points(config: FacePointConfig) -> Iterator[Progress | FacePointResult]:
    """Train, measure on the `val` split and write the model.

    Yields:
        Progress, then the result as the last item.

    Raises:
        UserInputError: There are no faces or no pictures.
    """
    rng = np.random.default_rng(config.seed)
    faces = _read_faces(config.faces, "train")
    faces += [np.ascontiguousarray(face[:, ::-1]) for face in faces]  # the framing is symmetric
    held_out = _read_faces(config.faces, "val")
    total = config.stages + 2
    true = _true_pose()
    starts = [_rough(true, config, rng) for _ in range(len(faces) * config.starts)]
    stages: list[FloatArray] = []
    poses = starts
    for stage in range(config.stages):
        yield Progress(stage, total, text="Training eye points")
        features = _describe_all(faces, poses)
        targets = np.stack([correction_between(pose, true) for pose in poses])
        weights = _ridge(features, targets, config.ridge)
        stages.append(weights)
        poses = [
            moved(pose, row @ weights[:-1] + weights[-1]) for pose, row in zip(poses, features, strict=True)
        ]
        _log.info("stage %d: median error %.4f eye distances", stage + 1, _median_error(poses, true))
    yield Progress(config.stages, total, text="Training the face score")
    cascade = FacePointModel(np.stack(stages), np.zeros(feature_count() + 1, dtype=np.float32))
    sampler = _LookAlikes(config, faces, rng)
    others = sampler.take(cascade, config.look_alikes)
    split = len(others) * 9 // 10
    seen = _describe_all(faces, poses)
    first = FacePointModel(cascade.stages, _separate(seen, others[:split]))
    hard = sampler.take(first, config.hard_look_alikes, least_score=HARD_SCORE)
    verifier = _separate(seen, np.concatenate([others[:split], hard]))
    model = FacePointModel(cascade.stages, verifier)
    yield Progress(config.stages + 1, total, text="Measuring")
    refined = [model.refine(face, _rough(true, config, rng)) for face in held_out for _ in range(2)]
    errors = [_error(pose, true) for pose, _ in refined]
    scores = others[split:] @ verifier[:-1] + verifier[-1]
    kept = float(np.mean([score > 0 for _, score in refined]))
    figures = (float(np.median(errors)), float(np.percentile(errors, 90)), kept, float(np.mean(scores > 0)))
    yield FacePointResult(_write(model, config, figures=figures), *figures)


def _read_faces(folder: Path, split: str) -> list[Gray]:
    index = folder / "index.csv"
    if not index.is_file():
        raise UserInputError(f"{display_path(folder)} holds no index.csv.", "Name a folder of aligned faces.")
    with index.open(encoding="utf-8", newline="") as handle:
        files = [row["file"] for row in csv.DictReader(handle) if row["split"] == split]
    faces = []
    for file in files:
        face = cv2.imread(str(folder / file), cv2.IMREAD_GRAYSCALE)
        if face is not None:
            faces.append(cv2.resize(face, (WORK_PX, WORK_PX), interpolation=cv2.INTER_AREA))
    if not faces:
        raise UserInputError(f"{display_path(folder)} holds no '{split}' faces.", "Look into its index.csv.")
    return faces


def _true_pose() -> Pose:
    middle = (WORK_PX - 1) / 2
    y = EYE_LINE * WORK_PX - 0.5
    return pose_from_eyes((middle - EYE_OFFSET * WORK_PX, y), (middle + EYE_OFFSET * WORK_PX, y))


def _rough(true: Pose, config: FacePointConfig, rng: np.random.Generator) -> Pose:
    """A start as the box detector gives it: the true pose, moved by an inverse error."""
    change = np.array(
        [
            *rng.normal(0, config.shift, 2),
            rng.normal(0, config.log_scale),
            rng.uniform(-config.roll, config.roll),
        ]
    )
    return moved(true, change)


def _describe_all(faces: list[Gray], poses: list[Pose]) -> FloatArray:
    """Features of all poses; pose k belongs to face k modulo the number of faces."""
    features = np.empty((len(poses), feature_count()), dtype=np.float32)
    for k, pose in enumerate(poses):
        features[k] = describe(faces[k % len(faces)], pose)
    return features


def _ridge(features: FloatArray, targets: npt.NDArray[np.float64], ridge: float) -> FloatArray:
    """Least squares with a penalty, (F + 1, T); the bias is free."""
    mean, target_mean = features.mean(axis=0), targets.mean(axis=0)
    centred = features - mean
    gram = (centred.T @ centred).astype(np.float64)
    gram[np.diag_indices_from(gram)] += ridge * np.trace(gram) / len(gram)
    weights = np.linalg.solve(gram, centred.T.astype(np.float64) @ (targets - target_mean))
    bias = target_mean - mean @ weights
    return np.concatenate([weights, bias[None]]).astype(np.float32)


def _separate(faces: FloatArray, others: FloatArray) -> FloatArray:
    """Weights of a linear score, faces above 0: squared hinge loss by quasi-Newton steps."""
    x = torch.from_numpy(np.concatenate([faces, others]))
    mean = x.mean(dim=0)
    x = x - mean
    y = torch.cat([torch.ones(len(faces)), -torch.ones(len(others))])
    balance = torch.where(y > 0, 0.5 / len(faces), 0.5 / len(others))
    weights = torch.zeros(x.shape[1] + 1, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=120, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        margin = y * (x @ weights[:-1] + weights[-1])
        loss = (balance * torch.relu(1 - margin).square()).sum() + 1e-4 * weights[:-1].square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    found = weights.detach().numpy().copy()
    found[-1] -= float(mean.numpy() @ found[:-1])
    return found.astype(np.float32)


class _LookAlikes:
    """Windows without a face, after the cascade did its best on them.

    Args:
        config: Where the pictures lie.
        faces: Aligned faces; a quarter of the windows are misplaced on them.
        rng: Random choices.
    """

    def __init__(self, config: FacePointConfig, faces: list[Gray], rng: np.random.Generator) -> None:
        endings = {".jpg", ".jpeg", ".png"}
        self._files = sorted(file for file in config.photos.rglob("*") if file.suffix.lower() in endings)
        if not self._files:
            raise UserInputError(f"{display_path(config.photos)} holds no pictures.", "Name another folder.")
        self._faces = faces
        self._rng = rng

    def take(self, model: FacePointModel, count: int, *, least_score: float = -math.inf) -> FloatArray:
        """At most `count` windows that score at least `least_score`, of at most 15 times as many tries."""
        rows: list[FloatArray] = []
        for attempt in range(count * 15):
            if len(rows) == count:
                break
            features = self._from_face() if attempt % 4 == 3 else self._from_photo(model)
            if features is not None and features @ model.verifier[:-1] + model.verifier[-1] >= least_score:
                rows.append(features)
        return np.stack(rows) if rows else np.empty((0, feature_count()), dtype=np.float32)

    def _from_face(self) -> FloatArray:
        face = self._faces[int(self._rng.integers(len(self._faces)))]
        return describe(face, _misplaced(self._rng))

    def _from_photo(self, model: FacePointModel) -> FloatArray | None:
        file = self._files[int(self._rng.integers(len(self._files)))]
        photo = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        if photo is None or min(photo.shape) < WINDOW_PX:
            return None
        distance = self._rng.uniform(0.08, 0.35) * min(photo.shape)
        x, y = self._rng.uniform(0.15, 0.85, 2) * photo.shape[::-1]
        start = np.array([x, y, math.log(distance), self._rng.normal(0, 0.1)])
        return describe(photo, model.refine(photo, start)[0])


def _misplaced(rng: np.random.Generator) -> Pose:
    """A pose on a face that is clearly wrong: shifted, or of another size."""
    true = _true_pose()
    if rng.random() < 0.4:
        scale = math.log(rng.uniform(1.5, 2.2)) * rng.choice([-1, 1])
        return moved(true, np.array([*rng.normal(0, 0.1, 2), 0, 0])) + np.array([0, 0, scale, 0])
    angle, reach = rng.uniform(0, 2 * math.pi), rng.uniform(0.5, 1.2)
    shift = (reach * math.cos(angle), reach * math.sin(angle))
    return moved(true, np.array([*shift, *rng.normal(0, 0.1, 2)]))


def _error(pose: Pose, true: Pose) -> float:
    """Mean distance of both eyes in eye distances."""
    pairs = zip(eyes_from_pose(pose), eyes_from_pose(true), strict=True)
    return float(np.mean([math.dist(a, b) for a, b in pairs]) / math.exp(true[2]))


def _median_error(poses: list[Pose], true: Pose) -> float:
    return float(np.median([_error(pose, true) for pose in poses]))


def _write(
    model: FacePointModel, config: FacePointConfig, *, figures: tuple[float, float, float, float]
) -> ModelCard:
    card = ModelCard(
        name=MODEL_NAME,
        role="face_points",
        architecture=ARCHITECTURE,
        config={"window_px": WINDOW_PX, "stages": config.stages, "seed": config.seed},
        title="Eye points inside a found face (gradient cascade)",
        licence=config.licence,
        sources="Aligned portraits of officials and teams (see the card beside this file).",
        sha256="",
        bytes=0,
        facts={
            "median error, held-out people": f"{figures[0]:.4f} eye distances",
            "90th percentile": f"{figures[1]:.4f} eye distances",
            "faces kept by the score": f"{figures[2]:.4f}",
            "look-alikes kept by the score": f"{figures[3]:.4f}",
        },
        folder=config.out,
        is_builtin=True,
    )
    tensors = {"stages": torch.from_numpy(model.stages), "verifier": torch.from_numpy(model.verifier)}
    return write_model(card, tensors)
