"""Faces: requests, inversion steps, edits, exports."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from desktop_app.core.common_types import FloatArray, Image
from desktop_app.core.library_types import PhotoSource


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
        model: Model name; empty: from the settings. Of a pair the one that ends.
        method: Inversion method; empty: the one the model's encoder is made for.
        iterations: Iterations of an optimising method; 0: the method's own number.
        first_model: Model that starts a bootstrapping.
        first_steps: Passes of that model.
        refine: Iterations of tuning the generator to the photo after the last step; 0: none.
    """

    source: PhotoSource
    face_index: int = 0
    points: FacePoints | None = None
    is_aligned: bool = False
    steps: int = 0
    model: str = ""
    method: str = ""
    iterations: int = 0
    first_model: str = ""
    first_steps: int = 1
    refine: int = 0


class PasteMode(StrEnum):
    """How an edited face is put back into its photo.

    `change` moves and tints the photo's own pixels as the edit did with the reconstruction, so that
    detail finer than the model's output stays where the edit draws nothing new. `replace` puts the
    model's face in their place.
    """

    CHANGE = "change"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class AlignedFace:
    """Step 0: what the encoder will look at.

    Attributes:
        image: The crop at the model's input size.
        quad: Its corners in photo pixels; empty for a picture that was aligned already.
        detector: `haar`, `yunet`, `manual` or `none`.
        faces: Faces found in the photo.
        start: The average image from which step 1 starts.
        session_id: Key under which the steps are kept, from the first one on; a run that is
            stopped can be edited and taken up again by it.
        model: Model name.
        notices: What the user should know about this photo and this model.
        usual_paste: How it goes back into its photo unless the user says otherwise.
    """

    image: Image
    quad: tuple[tuple[float, float], ...]
    detector: str
    faces: int
    start: Image
    session_id: str = ""
    model: str = ""
    notices: tuple[str, ...] = ()
    usual_paste: PasteMode = PasteMode.CHANGE


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
        phase: Part of a run with several parts that the step belongs to, a word or two; else empty.
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
    phase: str = ""


@dataclass(frozen=True, slots=True)
class InversionResult:
    """The end of an inversion; the session stays open for edits.

    Attributes:
        session_id: Key of the session on the engine side.
        model: Model name.
        steps: Steps done.
        seconds: Wall time of all steps.
        can_paste_back: False when the picture was aligned already.
        method: Inversion method.
        tuned_from: First step that renders with a tuned generator; 0: none does.
        is_unfinished: The run was stopped; it can be taken up where it stood.
        usual_paste: How the face goes back into its photo unless the user says otherwise.
    """

    session_id: str
    model: str
    steps: int
    seconds: float
    can_paste_back: bool
    method: str = ""
    tuned_from: int = 0
    is_unfinished: bool = False
    usual_paste: PasteMode = PasteMode.CHANGE


@dataclass(frozen=True, slots=True)
class DirectionsRequest:
    """Ask for the edit directions of a model. Answer: `DirectionList`."""

    model: str = ""


@dataclass(frozen=True, slots=True)
class DirectionFacts:
    """What was measured of an edit direction, on faces of people that did not help to find it.

    Attributes:
        accuracy: Share of those faces that it puts on the right side, both sides weighing alike (0.5 is
            chance); None where it was found without labels.
        faces: How many faces that was.
        strength: Strength at which the changes were measured; of a labelled direction the strength that
            changes its own property by one standard deviation.
        changes: Properties and how far they change, in standard deviations between faces, largest first.
        identity: Similarity of the changed faces with the unchanged; None: not measured.
        strangers: Similarity of different people, for comparison.
        judge: The encoder that told the similarity.
    """

    accuracy: float | None = None
    faces: int = 0
    strength: float = 1.0
    changes: tuple[tuple[str, float], ...] = ()
    identity: float | None = None
    strangers: float = 0.0
    judge: str = ""


@dataclass(frozen=True, slots=True)
class DirectionInfo:
    """One edit slider.

    Attributes:
        name: Key, for example `pca.1`.
        label: Text of the slider.
        kind: `sefa`, `pca` or `attribute`.
        minimum: Strength at the left end.
        maximum: Strength at the right end.
        facts: What it was measured to change; None: not measured.
    """

    name: str
    label: str
    kind: str
    minimum: float
    maximum: float
    facts: DirectionFacts | None = None


@dataclass(frozen=True, slots=True)
class DirectionList:
    """The sliders of a model, most useful first."""

    model: str
    directions: tuple[DirectionInfo, ...]


@dataclass(frozen=True, slots=True)
class Mix:
    """Rows of another inversion's code that take the place of one's own.

    Attributes:
        session_id: The other inversion, of a model with codes of the same size.
        groups: Which rows: `coarse`, `middle`, `fine`.
        strength: 0: own rows, 1: the other's; in between a blend of both.
    """

    session_id: str
    groups: tuple[str, ...]
    strength: float = 1.0


@dataclass(frozen=True, slots=True)
class Edit:
    """An edited code: first the mix, then the directions.

    Attributes:
        strengths: Direction name and strength; missing names count as 0.
        step: Which inversion step to start from; 0: the last one.
        mix: Rows of another inversion, or None.
    """

    strengths: tuple[tuple[str, float], ...] = ()
    step: int = 0
    mix: Mix | None = None

    @property
    def changes(self) -> bool:
        """Whether it changes the step at all."""
        has_mix = self.mix is not None and bool(self.mix.groups) and self.mix.strength != 0
        return bool(self.strengths) or has_mix


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
    STEPS = "steps"


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Write a result to disk.

    Attributes:
        session_id: The open inversion.
        edit: Which edit.
        kind: The face, its latents (`.npz`), the photo with the face pasted back, or all steps: side by
            side, or as an animation (`.gif`).
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
