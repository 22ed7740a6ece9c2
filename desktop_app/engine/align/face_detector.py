"""Faces in a photo: Haar cascades with refined eye points, or YuNet when its file is there."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from desktop_app.core.errors import UserInputError, WeightsError, display_path
from desktop_app.core.types import DetectedFace, FacePoints, Image
from desktop_app.engine.align.face_points import (
    FacePointModel,
    Gray,
    Pose,
    eyes_from_pose,
    load_face_points,
    pose_from_eyes,
    typical_points,
)
from desktop_app.engine.align.ffhq_crop import quad_from_points
from desktop_app.engine.weights.store import ModelStore

_log = logging.getLogger(__name__)

# Boxes are searched in a picture of at most this longer side; points are refined in the original.
DETECT_PX = 800
YUNET_PX = 1000
# A face smaller than this share of the picture's shorter side is not looked for.
SMALLEST_SHARE = 0.05
SMALLEST_BOX_PX = 24
# Eye distance at which the cascade of face points was trained.
REFINE_EYE_PX = 32.0
# Two finds whose eye mid-points are nearer than this many eye distances are the same face.
SAME_FACE = 0.8
# Angles tried when an upright search finds nothing, degrees.
TILTS = (-30.0, 30.0)

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class BoxCascade:
    """A Haar cascade and where the eyes lie in its boxes, as shares of the box side.

    The shares are medians over faces of `val` people; see `tests/engine/test_face_detector.py`
    for what they are worth.

    Attributes:
        file: Cascade file shipped with OpenCV.
        neighbours: Overlapping hits needed for a box.
        eye_line: Height of the eyes.
        eye_distance: Distance of the eyes.
    """

    file: str
    neighbours: int
    eye_line: float
    eye_distance: float


CASCADES = (
    BoxCascade("haarcascade_frontalface_default.xml", 2, 0.40, 0.375),
    BoxCascade("haarcascade_frontalface_alt2.xml", 1, 0.40, 0.381),
)


class FaceDetector(Protocol):
    """Finds faces."""

    @property
    def name(self) -> str:
        """`haar` or `yunet`."""
        ...

    def find(self, photo: Image) -> tuple[DetectedFace, ...]:
        """All faces of an upright photo, largest first."""
        ...


def make_detector(store: ModelStore, models_folder: Path) -> FaceDetector:
    """YuNet when its file lies in the user's model folder, else the Haar cascades.

    A YuNet file that cannot be loaded is logged and passed over.
    """
    files = sorted(models_folder.glob("face_detection_yunet*.onnx")) if models_folder.is_dir() else []
    for file in reversed(files):
        try:
            return YuNetDetector(file)
        except WeightsError as error:
            _log.warning("%s", error)
    try:
        return HaarDetector(load_face_points(store))
    except WeightsError as error:
        _log.warning("eye points are estimated from the face box: %s", error)
        return HaarDetector(None)


class HaarDetector:
    """Haar cascades find boxes; a trained cascade places the eyes and turns look-alikes away.

    Args:
        face_points: The trained cascade; None: eyes are placed at their typical height in the box.
    """

    name = "haar"

    def __init__(self, face_points: FacePointModel | None) -> None:
        self._face_points = face_points
        folder = Path(cv2.__file__).parent / "data"
        self._cascades = [(one, cv2.CascadeClassifier(str(folder / one.file))) for one in CASCADES]
        for cascade, classifier in self._cascades:
            if classifier.empty():
                raise WeightsError(f"OpenCV's file {cascade.file} is missing.", "Install the program again.")

    def find(self, photo: Image) -> tuple[DetectedFace, ...]:
        """All faces of an upright photo, largest first."""
        gray = _gray(photo)
        scale = min(1.0, DETECT_PX / max(gray.shape))
        small = _resized(gray, scale)
        found: list[tuple[Pose, float]] = []
        for prepare in (_as_it_is, _equalised):
            found = self._verified(gray, self._starts(prepare(small), scale=scale))
            if found:
                break
        if not found:
            found = self._verified(gray, self._tilted_starts(small, scale=scale))
        faces = [_face(typical_points(*eyes_from_pose(pose)), score=score) for pose, score in found]
        return tuple(sorted(faces, key=lambda face: -face.box[2]))

    def _starts(self, small: Gray, *, scale: float) -> list[Pose]:
        """Rough poses in photo pixels."""
        least = max(SMALLEST_BOX_PX, round(SMALLEST_SHARE * min(small.shape)))
        if min(small.shape) < least:
            return []
        starts = []
        for cascade, classifier in self._cascades:
            neighbours = cascade.neighbours if self._face_points else cascade.neighbours + 3
            boxes = classifier.detectMultiScale(small, 1.1, neighbours, minSize=(least, least))
            for x, y, side, _ in boxes:
                eye_line = y + cascade.eye_line * side
                half = cascade.eye_distance * side / 2
                middle = x + side / 2
                starts.append(pose_from_eyes((middle - half, eye_line), (middle + half, eye_line)))
        return [_scaled(pose, 1 / scale) for pose in starts]

    def _tilted_starts(self, small: Gray, *, scale: float) -> list[Pose]:
        starts = []
        height, width = small.shape
        for tilt in TILTS:
            turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), tilt, 1.0)
            turned = cv2.warpAffine(small, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
            back = cv2.invertAffineTransform(turn)
            for pose in self._starts(turned, scale=1.0):
                eyes = [tuple(back[:, :2] @ np.array(eye) + back[:, 2]) for eye in eyes_from_pose(pose)]
                starts.append(_scaled(pose_from_eyes(eyes[0], eyes[1]), 1 / scale))
        return starts

    def _verified(self, gray: Gray, starts: list[Pose]) -> list[tuple[Pose, float]]:
        """Refined poses that look like faces, one a face, surest first."""
        poses = []
        for start in starts:
            pose, score = start, 0.0
            if self._face_points is not None:
                pose, score = refine(self._face_points, gray, start)
            if score >= 0 and abs(pose[3]) < math.radians(60) and abs(pose[2] - start[2]) < 0.6:
                poses.append((pose, score))
        poses.sort(key=lambda item: -item[1])
        kept: list[tuple[Pose, float]] = []
        for pose, score in poses:
            if not any(_is_same_face(pose, other) for other, _ in kept):
                kept.append((pose, score))
        return kept


class YuNetDetector:
    """OpenCV's YuNet network: boxes with eyes, nose and mouth corners.

    Args:
        file: The ONNX file.

    Raises:
        WeightsError: The file cannot be loaded.
    """

    name = "yunet"

    def __init__(self, file: Path) -> None:
        try:
            self._network = cv2.FaceDetectorYN.create(str(file), "", (320, 320), score_threshold=0.6)
        except cv2.error as error:
            raise WeightsError(
                f"The face detector {display_path(file)} cannot be loaded.", "Download the file again."
            ) from error

    def find(self, photo: Image) -> tuple[DetectedFace, ...]:
        """All faces of an upright photo, largest first."""
        scale = min(1.0, YUNET_PX / max(photo.shape[:2]))
        small = _resized(photo, scale)
        self._network.setInputSize((small.shape[1], small.shape[0]))
        _, rows = self._network.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        faces = []
        for row in rows if rows is not None else ():
            box = tuple(float(v) / scale for v in row[:4])
            marks = row[4:14].reshape(5, 2).astype(np.float64) / scale
            points = points_from_marks(marks)
            try:
                faces.append(_face(points, score=float(row[14]), box=(box[0], box[1], box[2], box[3])))
            except UserInputError:
                _log.debug("a find with all its points in one place is passed over")
        return tuple(sorted(faces, key=lambda face: -face.box[2] * face.box[3]))


def points_from_marks(marks: npt.NDArray[np.float64]) -> FacePoints:
    """YuNet's five points (eye, eye, nose, mouth, mouth) as ours, left as seen in the picture.

    The network names the person's right eye first, which is the left one in the picture.
    """
    pairs = [(float(x), float(y)) for x, y in marks]
    return FacePoints(left_eye=pairs[0], right_eye=pairs[1], left_mouth=pairs[3], right_mouth=pairs[4])


def refine(model: FacePointModel, gray: Gray, start: Pose) -> tuple[Pose, float]:
    """Refine a rough pose at the size at which the cascade was trained."""
    distance = math.exp(start[2])
    reach = 3.0 * distance
    left = max(int(start[0] - reach), 0)
    top = max(int(start[1] - reach), 0)
    right = min(int(start[0] + reach) + 1, gray.shape[1])
    bottom = min(int(start[1] + reach) + 1, gray.shape[0])
    if right - left < 4 or bottom - top < 4:
        return start, -math.inf
    scale = REFINE_EYE_PX / distance
    patch = _resized(gray[top:bottom, left:right], scale)
    moved_start = _scaled(start - np.array([left, top, 0, 0]), scale)
    pose, score = model.refine(patch, moved_start)
    back = _scaled(pose, 1 / scale) + np.array([left, top, 0, 0])
    inside = 0 <= back[0] < gray.shape[1] and 0 <= back[1] < gray.shape[0]
    return back, score if inside else -math.inf


def face_from_points(points: FacePoints, *, score: float = 1.0) -> DetectedFace:
    """A face of hand-placed points.

    Raises:
        UserInputError: The points lie on each other.
    """
    return _face(points, score=score)


def _face(points: FacePoints, *, score: float, box: Box | None = None) -> DetectedFace:
    quad = quad_from_points(points)
    if box is None:
        left, right = np.array(points.left_eye), np.array(points.right_eye)
        side = float(np.hypot(*(right - left))) / CASCADES[0].eye_distance
        mouth = (np.array(points.left_mouth) + np.array(points.right_mouth)) / 2
        centre = (left + right) / 4 + mouth / 2
        box = (float(centre[0]) - side / 2, float(centre[1]) - side / 2, side, side)
    return DetectedFace(points=points, quad=quad, score=score, box=box)


def _gray(photo: Image) -> Gray:
    gray: Gray = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    return gray


def _as_it_is(gray: Gray) -> Gray:
    return gray


def _equalised(gray: Gray) -> Gray:
    equal: Gray = cv2.createCLAHE(clipLimit=3.0, tileGridSize=(4, 4)).apply(gray)
    return equal


def _resized(picture: npt.NDArray[np.uint8], scale: float) -> npt.NDArray[np.uint8]:
    if scale == 1.0:
        return picture
    size = (max(round(picture.shape[1] * scale), 1), max(round(picture.shape[0] * scale), 1))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    smaller: npt.NDArray[np.uint8] = cv2.resize(picture, size, interpolation=way)
    return smaller


def _scaled(pose: Pose, scale: float) -> Pose:
    """The same pose in a picture resized by `scale`, pixel centres kept."""
    return np.array(
        [(pose[0] + 0.5) * scale - 0.5, (pose[1] + 0.5) * scale - 0.5, pose[2] + math.log(scale), pose[3]]
    )


def _is_same_face(pose: Pose, other: Pose) -> bool:
    reach = SAME_FACE * math.exp(max(pose[2], other[2]))
    return math.dist(pose[:2], other[:2]) < reach
