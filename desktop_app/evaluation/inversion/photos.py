"""The photos of a folder, as aligned pictures; a photo that cannot be used has a reason."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from desktop_app.core.errors import UserInputError, display_path
from desktop_app.core.types import Image
from desktop_app.engine.align.face_detector import FaceDetector
from desktop_app.engine.align.ffhq_crop import align_face
from desktop_app.engine.embed.picture_file import picture_files, read_picture
from desktop_app.engine.invert.model import InversionModel

# A crop is sampled four times finer than it is kept, as FFHQ itself is made; the window does the same.
ALIGNED_PX = 256
OVERSAMPLING = 4
# A picture below this side holds no face that could be reconstructed.
SMALLEST_PX = 16
# A cut-out face may be this much off square.
SQUARE_TOLERANCE = 0.05
WHOLE_PX = 1_000_000  # decode in full


@dataclass(frozen=True, slots=True)
class PhotoFile:
    """A photo of the folder.

    Attributes:
        file: Where it is.
        name: Relative to the folder; what tables show.
        digest: Of its contents.
    """

    file: Path
    name: str
    digest: str


def photos_of(folder: Path, *, limit: int) -> list[PhotoFile]:
    """Pictures below a folder, sorted by name; `limit` of them, evenly spaced, when it is not 0.

    Raises:
        UserInputError: The folder is missing, cannot be read, or holds no pictures.
    """
    try:
        files = [file for file in picture_files(folder) if file.is_file()]
    except OSError as error:
        raise UserInputError(
            f"The folder {display_path(folder)} cannot be read: {error.strerror}."
        ) from error
    if not files:
        raise UserInputError(
            f"There are no pictures in {display_path(folder)}.", "Name a folder that holds photos of faces."
        )
    if limit and limit < len(files):
        files = [files[k] for k in np.linspace(0, len(files) - 1, limit).round().astype(int)]
    return [PhotoFile(file, file.relative_to(folder).as_posix(), _digest(file)) for file in files]


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""  # reading it as a picture says what is wrong


class PhotoReader:
    """Reads photos and cuts the faces out.

    Args:
        detector: Finds faces; None: pictures are aligned already.
    """

    def __init__(self, detector: FaceDetector | None) -> None:
        self._detector = detector

    def read(self, photo: PhotoFile, model: InversionModel) -> Image:
        """The aligned picture, at least as large as the model's input, (H, W, 3) uint8.

        Raises:
            UserInputError: Not readable, too small, no face, or no cut-out face where one is said
                to be.
        """
        image = read_picture(photo.file, at_least_px=WHOLE_PX)
        height, width = image.shape[:2]
        if min(height, width) < SMALLEST_PX:
            raise UserInputError(
                f"It is too small: {width} x {height} pixels, at least {SMALLEST_PX} a side are needed."
            )
        if not model.preset.needs_alignment:
            return image
        if self._detector is None:
            if abs(height - width) > SQUARE_TOLERANCE * max(height, width):
                raise UserInputError(
                    f"It is {width} x {height} pixels; a cut-out face is square. Leave out --aligned."
                )
            return image
        faces = self._detector.find(image)
        if not faces:
            raise UserInputError("No face was found in it.")
        side = max(ALIGNED_PX, *model.input_size)
        return align_face(image, faces[0].quad, output_px=side, transform_px=OVERSAMPLING * side)
