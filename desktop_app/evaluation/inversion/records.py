"""One file for each photo and run, so that a stopped evaluation goes on where it was.

A file is written under a temporary name and renamed; it holds numbers as JSON and pictures as arrays.
Its name is a digest of everything that the result depends on, so that a result of other weights, options
or pictures is never taken for this one.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from desktop_app.core.types import FloatArray, Image
from desktop_app.engine.image_file import write_file
from desktop_app.evaluation.inversion.edits import EditValue

_log = logging.getLogger(__name__)

VERSION = 1
_DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, slots=True)
class StepValues:
    """One step of one photo.

    Attributes:
        seconds: Wall time from the start of the inversion to the end of this step.
        metrics: By metric key.
        image_change: Root of the mean squared change of the picture against the step before.
        code_change: Norm of the change of the code against the step before.
    """

    seconds: float
    metrics: Mapping[str, float]
    image_change: float
    code_change: float


@dataclass(frozen=True, slots=True)
class PhotoRecord:
    """What a run found on one photo.

    Attributes:
        photo: Name of the photo.
        steps: All steps.
        note: What the method said about its steps.
        change_maps: Squared change of the kept steps, (k, h, w) float32, at most 128 px.
        photo_picture: The aligned photo, (H, W, 3) uint8.
        pictures: The kept steps where the photo is shown whole, else the last one, (k, H, W, 3) uint8.
        edits: What edits did; empty where editing was not measured on this photo.
        edit_pictures: (directions, shares, H, W, 3) uint8, or None.
        unedited: The last code as edits render it, with the model's own noise, or None.
        attributes: The measured attributes of the aligned photo, by direction.
        consistency: Latent-editing consistency, or None.
        code_size: Distance of the last code to the average code.
    """

    photo: str
    steps: tuple[StepValues, ...]
    note: str
    change_maps: FloatArray
    photo_picture: Image
    pictures: Image
    edits: tuple[EditValue, ...] = ()
    edit_pictures: Image | None = None
    unedited: Image | None = None
    attributes: Mapping[str, float] | None = None
    consistency: float | None = None
    code_size: float = 0.0


def record_key(facts: Mapping[str, object]) -> str:
    """File name of a result that depends on these facts."""
    content = json.dumps({"version": VERSION, **facts}, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:32]


class RecordStore:
    """The results of one report, on disk.

    Args:
        folder: Where they lie; has to be there before the first is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, key: str) -> PhotoRecord | None:
        """A stored result; None when there is none or it is damaged."""
        file = self._file(key)
        if not file.is_file():
            return None
        try:
            with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as stored:
                facts = json.loads(bytes(stored["facts"]).decode())
                arrays = {name: stored[name] for name in stored.files if name != "facts"}
            return PhotoRecord(
                photo=str(facts["photo"]),
                steps=tuple(StepValues(**step) for step in facts["steps"]),
                note=str(facts["note"]),
                change_maps=arrays["change_maps"],
                photo_picture=arrays["photo_picture"],
                pictures=arrays["pictures"],
                edits=tuple(EditValue(**edit) for edit in facts["edits"]),
                edit_pictures=arrays.get("edit_pictures"),
                unedited=arrays.get("unedited"),
                attributes=facts["attributes"],
                consistency=facts["consistency"],
                code_size=float(facts["code_size"]),
            )
        except _DAMAGE as error:
            _log.info("a stored result is damaged and measured again: %r", error)
            return None

    def save(self, key: str, record: PhotoRecord) -> None:
        """Keep a result.

        Raises:
            UserInputError: The folder is not there.
            ResourceError: It cannot be written.
        """
        facts = {
            "photo": record.photo,
            "steps": [asdict(step) for step in record.steps],
            "note": record.note,
            "edits": [asdict(edit) for edit in record.edits],
            "attributes": record.attributes,
            "consistency": record.consistency,
            "code_size": record.code_size,
        }
        arrays: dict[str, np.ndarray] = {
            "facts": np.frombuffer(json.dumps(facts).encode(), dtype=np.uint8),
            "change_maps": record.change_maps,
            "photo_picture": record.photo_picture,
            "pictures": record.pictures,
        }
        for name, picture in (("edit_pictures", record.edit_pictures), ("unedited", record.unedited)):
            if picture is not None:
                arrays[name] = picture
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        write_file(self._file(key), lambda handle: handle.write(buffer.getbuffer()))

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.npz"
