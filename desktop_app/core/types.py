"""Frozen values that cross layers: requests down, progress, steps and results up.

Plain values and read-only numpy arrays; never tensors, never Qt objects. An `image` is
(H, W, 3) uint8, RGB, contiguous; points are (x, y) in pixels of the upright photo.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Image: TypeAlias = npt.NDArray[np.uint8]
FloatArray: TypeAlias = npt.NDArray[np.float32]


def read_only(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """The same array, locked against writing, as everything that crosses a thread must be."""
    array.setflags(write=False)
    return array


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is.

    Attributes:
        done: Units finished.
        total: Units in all, or None while unknown.
        left_s: Estimated seconds left, or None while unknown.
        text: What is being done now, for the user.
    """

    done: int
    total: int | None
    left_s: float | None = None
    text: str = ""


class Urgency(IntEnum):
    """Which of several open jobs is resumed first."""

    LOW = 0
    NORMAL = 1
    HIGH = 2


@dataclass(frozen=True, slots=True)
class JobFailure:
    """Why a job ended without an answer.

    Attributes:
        message: One sentence for the user.
        hint: What the user can do about it, or empty.
        is_bug: The program is at fault; the log holds the details.
    """

    message: str
    hint: str = ""
    is_bug: bool = False


# --- the library -----------------------------------------------------------------------------


class PhotoState(StrEnum):
    """Where a photo of the library stands."""

    INDEXED = "indexed"
    UNREADABLE = "unreadable"
    MISSING = "missing"


class PhotoOrder(StrEnum):
    """Order of the grid."""

    NEWEST = "newest"
    OLDEST = "oldest"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class PhotoRow:
    """One photo of the library, as the grid shows it.

    Attributes:
        photo_id: Row key.
        path: The file; the name may hold bytes that are no text (surrogate escapes).
        width_px: Width of the upright picture; 0 when unreadable.
        height_px: Height of the upright picture; 0 when unreadable.
        modified_at: Modification time, seconds since 1970, UTC.
        thumbnail: Thumbnail file, or None when there is none.
        state: Indexed, unreadable or missing.
        reason: Why it is unreadable, for the user; else empty.
    """

    photo_id: int
    path: Path
    width_px: int
    height_px: int
    modified_at: float
    thumbnail: Path | None
    state: PhotoState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FileProblem:
    """A file or folder that an index run had to leave out, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class IndexRequest:
    """Index folders, or all folders of the library when none is given.

    Attributes:
        folders: Folders to add and index; empty: those already in the library.
        recheck: Also decode files whose size and time did not change.
    """

    folders: tuple[Path, ...] = ()
    recheck: bool = False


@dataclass(frozen=True, slots=True)
class PhotoBatch:
    """Photos that are safely in the library now; a partial message of an index run."""

    rows: tuple[PhotoRow, ...]


@dataclass(frozen=True, slots=True)
class IndexSummary:
    """What an index run did.

    Attributes:
        added: New photos indexed.
        changed: Photos indexed again because the file changed.
        unchanged: Photos whose size and time did not change; no pixel was read.
        missing: Photos that were in the library and are gone from disk.
        unreadable: Files that could not be used.
        ignored: Files that are no images.
        problems: Every unreadable file and folder with its reason.
        seconds: Wall time of the run.
        photos_total: Indexed photos in the library now.
    """

    added: int
    changed: int
    unchanged: int
    missing: int
    unreadable: int
    ignored: int
    problems: tuple[FileProblem, ...]
    seconds: float
    photos_total: int


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A stretch of the grid.

    Attributes:
        offset: First row.
        count: Rows at most.
        order: Order of the grid.
        folder: Only photos below this folder, or None for all.
        state: Only photos in this state.
    """

    offset: int
    count: int
    order: PhotoOrder = PhotoOrder.NEWEST
    folder: Path | None = None
    state: PhotoState = PhotoState.INDEXED


@dataclass(frozen=True, slots=True)
class PhotoPage:
    """Answer to a `PageRequest`; `total` counts all rows of the same filter."""

    offset: int
    total: int
    rows: tuple[PhotoRow, ...]


@dataclass(frozen=True, slots=True)
class LibraryRequest:
    """Ask what the library holds."""


@dataclass(frozen=True, slots=True)
class LibraryOverview:
    """What the library holds.

    Attributes:
        folders: Watched folders with the number of indexed photos in each.
        photos: Indexed photos.
        unreadable: Files that could not be read.
        missing: Photos whose file is gone.
        encoder: Encoder of the stored embeddings.
        problems: Unreadable files with their reasons, at most 1000.
    """

    folders: tuple[tuple[Path, int], ...]
    photos: int
    unreadable: int
    missing: int
    encoder: str
    problems: tuple[FileProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class RemoveFolderRequest:
    """Take a folder out of the library; the photos on disk stay. Answer: `LibraryOverview`."""

    folder: Path


# --- similar photos ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """Find photos like one: exactly one of `photo_id`, `path`, `image` is given.

    Attributes:
        photo_id: A photo of the library.
        path: A file, inside or outside the library.
        image: A pasted or dropped picture.
        top_k: Neighbours at most; 0: from the settings.
        min_similarity: Cut-off in [-1, 1]; None: calibrated on the library.
    """

    photo_id: int | None = None
    path: Path | None = None
    image: Image | None = None
    top_k: int = 0
    min_similarity: float | None = None


class HitKind(StrEnum):
    """How a found photo relates to the query."""

    SIMILAR = "similar"
    NEAR_DUPLICATE = "near_duplicate"
    SAME_FILE = "same_file"


@dataclass(frozen=True, slots=True)
class PhotoHit:
    """One neighbour; `similarity` in [-1, 1], higher is nearer; `rank` from 1."""

    row: PhotoRow
    similarity: float
    rank: int
    kind: HitKind


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Neighbours, nearest first.

    Attributes:
        hits: Photos at or above the cut-off.
        min_similarity: The cut-off used.
        below_cutoff: Nearest photos that the cut-off hid, among `top_k`.
        searched: Photos that were compared.
        seconds: Wall time.
        query_thumbnail: Small picture of the query, or None when it is a photo of the library.
    """

    hits: tuple[PhotoHit, ...]
    min_similarity: float
    below_cutoff: int
    searched: int
    seconds: float
    query_thumbnail: Image | None = None


# --- faces ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PhotoSource:
    """Where a picture comes from: exactly one of the three is given.

    Attributes:
        photo_id: A photo of the library.
        path: A file.
        image: A picture in memory.
    """

    photo_id: int | None = None
    path: Path | None = None
    image: Image | None = None


@dataclass(frozen=True, slots=True)
class PreviewRequest:
    """Ask for one picture, large. Answer: `PhotoPreview`.

    Attributes:
        source: The picture.
        max_px: Longer side of the answer at most.
        serial: Comes back with the answer.
    """

    source: PhotoSource
    max_px: int = 1600
    serial: int = 0


@dataclass(frozen=True, slots=True)
class PhotoPreview:
    """A picture for display, upright, and the size of the full one."""

    serial: int
    image: Image
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class FacePoints:
    """The four points that place an FFHQ crop, in photo pixels, (x, y).

    "Left" and "right" are as seen in the picture, so the left eye has the smaller x on an upright
    face.
    """

    left_eye: tuple[float, float]
    right_eye: tuple[float, float]
    left_mouth: tuple[float, float]
    right_mouth: tuple[float, float]


@dataclass(frozen=True, slots=True)
class DetectedFace:
    """A face of a photo.

    Attributes:
        points: Eyes and mouth corners.
        quad: Corners of the FFHQ crop: upper left, lower left, lower right, upper right.
        score: Detector's confidence, higher is surer.
        box: x, y, width, height in photo pixels.
    """

    points: FacePoints
    quad: tuple[tuple[float, float], ...]
    score: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class FindFacesRequest:
    """Find the faces of a photo. Answer: `FacesFound`."""

    source: PhotoSource


@dataclass(frozen=True, slots=True)
class FacesFound:
    """The photo, upright, and its faces.

    Attributes:
        image: The photo for display, at most `PREVIEW_PX` on its longer side.
        scale: Display pixels per photo pixel; points are in photo pixels.
        width_px: Width of the full photo.
        height_px: Height of the full photo.
        faces: Largest first; empty when none was found.
        detector: `haar` or `yunet`.
    """

    image: Image
    scale: float
    width_px: int
    height_px: int
    faces: tuple[DetectedFace, ...]
    detector: str


@dataclass(frozen=True, slots=True)
class QuadRequest:
    """The FFHQ quad of hand-placed points, while a handle is dragged. Answer: `QuadAnswer`."""

    points: FacePoints


@dataclass(frozen=True, slots=True)
class QuadAnswer:
    """Corners of the crop: upper left, lower left, lower right, upper right."""

    quad: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class InvertRequest:
    """Invert one face.

    Attributes:
        source: The photo.
        face_index: Which detected face, largest first; used when `points` is None.
        points: Hand-placed points, or None to detect.
        is_aligned: The picture is an aligned face already: no detection, no crop.
        steps: Encoder passes, 1 to 20; 0: from the settings.
        model: Model name; empty: from the settings.
    """

    source: PhotoSource
    face_index: int = 0
    points: FacePoints | None = None
    is_aligned: bool = False
    steps: int = 0
    model: str = ""


@dataclass(frozen=True, slots=True)
class AlignedFace:
    """Step 0: what the encoder will look at.

    Attributes:
        image: The crop at the model's input size.
        quad: Its corners in photo pixels; empty for a picture that was aligned already.
        detector: `haar`, `yunet`, `manual` or `none`.
        faces: Faces found in the photo.
        start: The average image from which step 1 starts.
    """

    image: Image
    quad: tuple[tuple[float, float], ...]
    detector: str
    faces: int
    start: Image


@dataclass(frozen=True, slots=True)
class InversionStep:
    """One pass of the loop.

    Attributes:
        index: From 1.
        y_hat: Reconstruction.
        w_plus: Code, (L, D) float32.
        change_map: (H, W) float32: squared change against the step before (step 1: against the
            average image), mean over channels, in units of [-1, 1] images.
        l2: Mean squared error against the aligned face, [-1, 1] images.
        relative_change: Norm of this step's image change over that of step 1.
        seconds: Wall time of the step.
        losses: Further named values of the method, for example of an optimiser's loss terms.
        note: What the user should know about the step, for example which loss stood in for missing
            weights; else empty.
    """

    index: int
    y_hat: Image
    w_plus: FloatArray
    change_map: FloatArray
    l2: float
    relative_change: float
    seconds: float
    losses: tuple[tuple[str, float], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class InversionResult:
    """The end of an inversion; the session stays open for edits.

    Attributes:
        session_id: Key of the session on the engine side.
        model: Model name.
        steps: Steps done.
        seconds: Wall time of all steps.
        can_paste_back: False when the picture was aligned already.
    """

    session_id: str
    model: str
    steps: int
    seconds: float
    can_paste_back: bool


@dataclass(frozen=True, slots=True)
class DirectionsRequest:
    """Ask for the edit directions of a model. Answer: `DirectionList`."""

    model: str = ""


@dataclass(frozen=True, slots=True)
class DirectionInfo:
    """One edit slider.

    Attributes:
        name: Key, for example `pca.1`.
        label: Text of the slider.
        kind: `sefa`, `pca` or `attribute`.
        minimum: Strength at the left end.
        maximum: Strength at the right end.
    """

    name: str
    label: str
    kind: str
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True)
class DirectionList:
    """The sliders of a model, most useful first."""

    model: str
    directions: tuple[DirectionInfo, ...]


@dataclass(frozen=True, slots=True)
class Edit:
    """An edited code.

    Attributes:
        strengths: Direction name and strength; missing names count as 0.
        step: Which inversion step to start from; 0: the last one.
    """

    strengths: tuple[tuple[str, float], ...] = ()
    step: int = 0


@dataclass(frozen=True, slots=True)
class EditRequest:
    """Render an edit; `serial` grows with each slider movement. Answer: `EditResult`."""

    session_id: str
    edit: Edit
    serial: int


@dataclass(frozen=True, slots=True)
class EditResult:
    """The edited face."""

    session_id: str
    serial: int
    image: Image
    seconds: float


class ExportKind(StrEnum):
    """What is written."""

    FACE = "face"
    LATENTS = "latents"
    PHOTO = "photo"


class PasteMode(StrEnum):
    """How an edited face is put back into its photo.

    `change` adds what the edit changed in the reconstruction to the photo's own pixels, so that
    detail finer than the model's output stays. `replace` puts the model's face in their place.
    """

    CHANGE = "change"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Write a result to disk.

    Attributes:
        session_id: The open inversion.
        edit: Which edit.
        kind: The face, its latents (`.npz`), or the photo with the face pasted back.
        target: File to write; its ending chooses the image format.
        blend: Width of the soft edge as a fraction of the quad's side, [0, 0.5].
        paste: How the face is put back into the photo.
    """

    session_id: str
    edit: Edit
    kind: ExportKind
    target: Path
    blend: float = 0.15
    paste: PasteMode = PasteMode.CHANGE


@dataclass(frozen=True, slots=True)
class PastePreviewRequest:
    """Show the photo with the face pasted back, without writing it. Answer: `PastePreview`.

    Attributes:
        session_id: The open inversion.
        edit: Which edit.
        serial: Comes back with the answer.
        blend: Width of the soft edge as a fraction of the quad's side, [0, 0.5].
        paste: How the face is put back.
        max_px: Longer side of the answer at most.
    """

    session_id: str
    edit: Edit
    serial: int
    blend: float = 0.15
    paste: PasteMode = PasteMode.CHANGE
    max_px: int = 1000


@dataclass(frozen=True, slots=True)
class PastePreview:
    """A reduced photo as it was, and with the face pasted back; of one size."""

    serial: int
    photo: Image
    pasted: Image


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What was written, and what the user should know about it."""

    path: Path
    warnings: tuple[str, ...] = ()


# --- the picture report ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """Index folders, find similar photos, invert a face, and write all that as a page.

    Attributes:
        folders: Folders of photos.
        out: Folder of the report; made when missing.
        queries: Photos whose neighbours are shown.
        faces: Files tried for the inversion, or empty for the photos of the folders.
    """

    folders: tuple[Path, ...]
    out: Path
    queries: int = 8
    faces: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportResult:
    """The written page.

    Attributes:
        page: The HTML file.
        photos: Photos indexed.
        queries: Queries shown.
        inverted: Faces inverted.
    """

    page: Path
    photos: int
    queries: int
    inverted: int


# --- models --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelsRequest:
    """Ask for all models. Answer: `ModelList`."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that can be used.

    Attributes:
        name: `architecture.training_tag`.
        role: `encoder`, `inversion` or `face_points`.
        title: One line for the user.
        licence: Licence of the weights.
        bytes: Size on disk.
        is_builtin: Shipped with the program.
        is_usable: False when a file is missing or damaged.
        problem: Why it is not usable; else empty.
        facts: Further name and value pairs from the card.
    """

    name: str
    role: str
    title: str
    licence: str
    bytes: int
    is_builtin: bool
    is_usable: bool
    problem: str = ""
    facts: tuple[tuple[str, str], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class ModelList:
    """All models, built-in first."""

    models: tuple[ModelInfo, ...]


@dataclass(frozen=True, slots=True)
class ImportModelRequest:
    """Bring a published weights file into the models. Answer: `ImportedModel`.

    Attributes:
        path: The file; what it is gets told from its contents.
        licence: Licence as the user states it; empty: not stated.
        name: Name of the model; empty: made from what the file is.
    """

    path: Path
    licence: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class ImportedModel:
    """A model that was imported.

    Attributes:
        model: The model.
        architecture: Builder of its networks, for example `restyle` or `stylegan2`.
        notes: What the user should know, for example that the average code was estimated.
        seconds: Wall time.
        peak_bytes: Largest memory of the process that read the file; 0 where it cannot be told.
    """

    model: ModelInfo
    architecture: str
    notes: tuple[str, ...]
    seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class RemoveModelRequest:
    """Delete an imported model from disk. Answer: `ModelList`."""

    name: str


@dataclass(frozen=True, slots=True)
class WarmUpRequest:
    """Import the engine and load the encoder, so that the first answer is quick."""


@dataclass(frozen=True, slots=True)
class EngineReady:
    """Answer to a `WarmUpRequest`: device and threads in use."""

    device: str
    threads: int
    seconds: float
