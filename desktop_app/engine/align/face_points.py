"""Eye points inside a roughly found face: cascaded linear regression on gradient histograms.

A pose is the pair of eyes as (mid x, mid y, log eye distance, roll in radians). Each stage looks at
the face through a window that is upright for the present pose, describes it by histograms of
oriented gradients (Dalal and Triggs, 2005), and adds a linear correction to the pose: the
supervised descent scheme of Xiong and De la Torre (2013). A last linear map scores how much the
window looks like a face; it separates faces from what the box detector mistakes for one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from desktop_app.core.errors import WeightsError
from desktop_app.core.types import FacePoints, FloatArray
from desktop_app.engine.weights.store import ModelStore

MODEL_NAME = "face_points.builtin"
ARCHITECTURE = "gradient_cascade"

Gray = npt.NDArray[np.uint8]
Pose = npt.NDArray[np.float64]

WINDOW_PX = 64
# The window in eye distances: its side, and how far its centre lies below the eyes.
WINDOW_SIDE = 2.7
WINDOW_DROP = 0.35
# Typical place of the mouth: with 1.1 eye distances the FFHQ crop has a half side of 2 eye
# distances and its centre 0.11 below the eye line, which is the framing of the aligned faces the
# built-in model was trained on.
MOUTH_DROP = 1.1
MOUTH_HALF_WIDTH = 0.42


@dataclass(frozen=True, slots=True)
class FacePointModel:
    """Weights of the cascade.

    Attributes:
        stages: (S, F + 1, 4) float32: per stage the correction of (x, y) in eye distances, of the
            log eye distance and of the roll; the last row is the bias.
        verifier: (F + 1,) float32: score of the window, above 0 for a face.
    """

    stages: FloatArray
    verifier: FloatArray

    def refine(self, gray: Gray, start: Pose) -> tuple[Pose, float]:
        """Correct a pose.

        Args:
            gray: Picture, (H, W) uint8.
            start: Rough pose.

        Returns:
            The pose and the score of the face seen through it, above 0 for a face.
        """
        pose = start.astype(np.float64)
        for weights in self.stages:
            pose = moved(pose, describe(gray, pose) @ weights[:-1] + weights[-1])
        score = float(describe(gray, pose) @ self.verifier[:-1] + self.verifier[-1])
        return pose, score


def load_face_points(store: ModelStore, name: str = MODEL_NAME) -> FacePointModel:
    """Load the cascade.

    Raises:
        WeightsError: It is missing, damaged or of another layout.
    """
    tensors = store.tensors(store.card(name))
    features = feature_count() + 1
    stages, verifier = tensors.get("stages"), tensors.get("verifier")
    fits = (
        isinstance(stages, Tensor)
        and isinstance(verifier, Tensor)
        and stages.dim() == 3
        and tuple(stages.shape[1:]) == (features, 4)
        and tuple(verifier.shape) == (features,)
        and bool(torch.isfinite(stages).all() and torch.isfinite(verifier).all())
    )
    if not fits or stages is None or verifier is None:
        raise WeightsError(f"The weights of '{name}' have another layout.", "Install the program again.")
    return FacePointModel(stages.float().numpy(), verifier.float().numpy())


def _histogram() -> cv2.HOGDescriptor:
    return cv2.HOGDescriptor((WINDOW_PX, WINDOW_PX), (16, 16), (8, 8), (8, 8), 9)


def feature_count() -> int:
    """Length F of the description of a window."""
    return int(_histogram().getDescriptorSize())


def window_matrix(pose: Pose) -> npt.NDArray[np.float64]:
    """The 2x3 matrix from window pixels to picture pixels."""
    x, y, log_distance, roll = pose
    distance = math.exp(log_distance)
    scale = WINDOW_SIDE * distance / WINDOW_PX
    cos, sin = math.cos(roll), math.sin(roll)
    centre_x = x - sin * WINDOW_DROP * distance
    centre_y = y + cos * WINDOW_DROP * distance
    half = (WINDOW_PX - 1) / 2
    linear = scale * np.array([[cos, -sin], [sin, cos]])
    origin = np.array([centre_x, centre_y]) - linear @ np.array([half, half])
    return np.concatenate([linear, origin[:, None]], axis=1)


def describe(gray: Gray, pose: Pose) -> FloatArray:
    """Gradient histograms of the window of a pose, (F,) float32."""
    window = cv2.warpAffine(
        gray,
        window_matrix(pose),
        (WINDOW_PX, WINDOW_PX),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(_histogram().compute(window), dtype=np.float32).reshape(-1)


def moved(pose: Pose, correction: npt.NDArray[np.floating]) -> Pose:
    """A pose after a correction in its own frame: shift in eye distances, log scale, roll."""
    x, y, log_distance, roll = pose
    distance = math.exp(log_distance)
    cos, sin = math.cos(roll), math.sin(roll)
    across, down = float(correction[0]) * distance, float(correction[1]) * distance
    return np.array(
        [
            x + cos * across - sin * down,
            y + sin * across + cos * down,
            log_distance + float(np.clip(correction[2], -0.5, 0.5)),
            roll + float(np.clip(correction[3], -0.6, 0.6)),
        ]
    )


def correction_between(pose: Pose, true: Pose) -> npt.NDArray[np.float64]:
    """The correction that moves `pose` onto `true`; the inverse of `moved`."""
    distance = math.exp(pose[2])
    cos, sin = math.cos(pose[3]), math.sin(pose[3])
    dx, dy = (true[:2] - pose[:2]) / distance
    return np.array([cos * dx + sin * dy, -sin * dx + cos * dy, true[2] - pose[2], true[3] - pose[3]])


def pose_from_eyes(left: tuple[float, float], right: tuple[float, float]) -> Pose:
    """The pose of two eye points."""
    dx, dy = right[0] - left[0], right[1] - left[1]
    return np.array(
        [(left[0] + right[0]) / 2, (left[1] + right[1]) / 2, math.log(math.hypot(dx, dy)), math.atan2(dy, dx)]
    )


def eyes_from_pose(pose: Pose) -> tuple[tuple[float, float], tuple[float, float]]:
    """Left and right eye, as seen in the picture."""
    x, y, log_distance, roll = (float(v) for v in pose)
    half = math.exp(log_distance) / 2
    dx, dy = half * math.cos(roll), half * math.sin(roll)
    return (x - dx, y - dy), (x + dx, y + dy)


def typical_points(left: tuple[float, float], right: tuple[float, float]) -> FacePoints:
    """Eyes, and the mouth at its typical place; it makes the crop that of the training faces."""
    along = np.subtract(right, left)
    down = np.array([-along[1], along[0]])
    mouth = np.add(left, right) / 2 + MOUTH_DROP * down
    corner = MOUTH_HALF_WIDTH * along
    return FacePoints(left, right, _pair(mouth - corner), _pair(mouth + corner))


def _pair(point: npt.NDArray[np.floating]) -> tuple[float, float]:
    return float(point[0]), float(point[1])
