"""A job runner that answers by hand: it records requests and waits for the test to say how they end."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import numpy as np

from desktop_app.core.types import (
    AlignedFace,
    DetectedFace,
    FaceModelInfo,
    FaceModelList,
    FacePoints,
    FacesFound,
    FileProblem,
    HitKind,
    InversionStep,
    JobFailure,
    LibraryOverview,
    MethodInfo,
    ModelInfo,
    PhotoHit,
    PhotoPage,
    PhotoRow,
    PhotoState,
    read_only,
)
from desktop_app.worker.job_handle import JobHandle

_Request = TypeVar("_Request")


class FakeRunner:
    """Hands out real handles; the test delivers what the engine thread would."""

    def __init__(self) -> None:
        self.handles: list[JobHandle] = []
        self.cancelled: list[JobHandle] = []

    def submit(self, request: object) -> JobHandle:
        """Record a request."""
        number = len(self.handles)
        handle = JobHandle(request, on_cancel=lambda: self.cancelled.append(self.handles[number]))
        self.handles.append(handle)
        return handle

    def requests(self, kind: type[_Request]) -> list[_Request]:
        """All requests of a kind, oldest first."""
        return [handle.request for handle in self.handles if isinstance(handle.request, kind)]

    def open_handles(self, kind: type[object]) -> list[JobHandle]:
        """Handles of a kind that have not ended."""
        return [h for h in self.handles if isinstance(h.request, kind) and not h.is_done]

    def last(self, kind: type[object]) -> JobHandle:
        """The newest handle of a kind."""
        return [handle for handle in self.handles if isinstance(handle.request, kind)][-1]

    def answer(self, kind: type[object], answer: object) -> None:
        """End the oldest open job of a kind with an answer."""
        self.open_handles(kind)[0].deliver_answer(answer)

    def fail(self, kind: type[object], message: str, hint: str = "") -> None:
        """End the oldest open job of a kind with a failure."""
        self.open_handles(kind)[0].deliver_failure(JobFailure(message, hint))

    def settle_cancelled(self) -> None:
        """Deliver the ending of every job whose cancellation was asked for."""
        for handle in self.cancelled:
            if not handle.is_done:
                handle.deliver_cancelled()


def image(side: int = 16, value: int = 120) -> np.ndarray:
    """A small picture."""
    made = np.full((side, side, 3), value, np.uint8)
    made[: side // 2] //= 2
    read_only(made)
    return made


def photo(photo_id: int, thumbnail: Path | None = None, name: str = "") -> PhotoRow:
    """A row of the library."""
    path = Path("/photos") / (name or f"photo_{photo_id:05d}.jpg")
    return PhotoRow(photo_id, path, 640, 480, 1.7e9 + photo_id, thumbnail, PhotoState.INDEXED)


def page(offset: int, count: int, total: int, first_id: int = 1) -> PhotoPage:
    """A page of rows whose ids follow their place."""
    rows = tuple(photo(first_id + number) for number in range(offset, min(offset + count, total)))
    return PhotoPage(offset, total, rows)


def overview(photos: int = 3, problems: int = 0, folders: tuple[str, ...] = ("/photos",)) -> LibraryOverview:
    """What a library holds."""
    found = tuple(FileProblem(Path(f"/photos/bad_{n}.jpg"), "The file is empty.") for n in range(problems))
    counts = tuple((Path(folder), photos) for folder in folders)
    return LibraryOverview(counts, photos, problems, 0, "contrastive_photo.builtin", found)


def hit(photo_id: int, similarity: float, rank: int, kind: HitKind = HitKind.SIMILAR) -> PhotoHit:
    """A neighbour."""
    return PhotoHit(photo(photo_id), similarity, rank, kind)


def points(x: float = 50.0, y: float = 50.0) -> FacePoints:
    """Points of a face around a place."""
    return FacePoints((x - 10, y), (x + 10, y), (x - 8, y + 22), (x + 8, y + 22))


def faces(count: int = 2, width_px: int = 200, height_px: int = 100) -> FacesFound:
    """A photo with faces side by side."""
    found = []
    for number in range(count):
        x = 50.0 + 100 * number
        quad = ((x - 40, 20.0), (x - 40, 100.0), (x + 40, 100.0), (x + 40, 20.0))
        found.append(DetectedFace(points(x), quad, 1.0, (x - 30, 30.0, 60.0, 60.0)))
    picture = np.full((height_px, width_px, 3), 90, np.uint8)
    read_only(picture)
    return FacesFound(picture, 1.0, width_px, height_px, tuple(found), "haar")


def aligned(session_id: str = "s1", notices: tuple[str, ...] = ()) -> AlignedFace:
    """Step 0."""
    quad = ((0.0, 0.0), (0.0, 9.0), (9.0, 9.0), (9.0, 0.0))
    return AlignedFace(
        image(64, 200),
        quad,
        "haar",
        2,
        image(64, 100),
        session_id=session_id,
        model="restyle_psp.builtin",
        notices=notices,
    )


def step(index: int, l2: float = 0.05, phase: str = "", note: str = "") -> InversionStep:
    """A step of an inversion; earlier steps change more."""
    change = np.full((64, 64), 0.04 / index**2, np.float32)
    change[:8] = 0.2 / index**2
    w_plus = np.zeros((10, 8), np.float32)
    for array in (change, w_plus):
        read_only(array)
    return InversionStep(
        index,
        image(64, min(250, 100 + 10 * index)),
        w_plus,
        change,
        l2 / index,
        1.0 / index,
        0.012,
        note=note,
        phase=phase,
    )


def models() -> tuple[ModelInfo, ...]:
    """An encoder, a face model and one that cannot be used."""
    return (
        ModelInfo("contrastive_photo.builtin", "encoder", "Photos", "MIT", 6_400_000, True, True),
        ModelInfo("restyle_psp.builtin", "inversion", "Faces 64 px", "MIT", 21_000_000, True, True),
        ModelInfo("restyle_e4e.mine", "inversion", "Mine", "MIT", 1, False, False, "The file is missing."),
    )


_METHODS = (
    MethodInfo("restyle", "ReStyle-pSp", "The encoder looks again and again.", uses_steps=True),
    MethodInfo("karras_w", "Projection to W", "Searches one code.", uses_steps=False, iterations=1000),
    MethodInfo("hybrid", "Hybrid", "Encoder, then search.", uses_steps=True, iterations=200),
)
_BOOTSTRAP = MethodInfo("bootstrap", "Toonify", "Two models.", uses_steps=True, needs_first=True)


def face_model(name: str = "restyle_psp.builtin", **facts: object) -> FaceModelInfo:
    """A model as the choosers see it."""
    known = {
        "title": "Faces 64 px",
        "sentence": "Faces, 64 pixels.",
        "domain": "faces",
        "domain_title": "Faces",
        "needs_face": True,
        "output_px": 64,
        "methods": _METHODS,
        "rows": 10,
        "pass_s": 0.1,
        "iteration_s": 0.05,
    }
    return FaceModelInfo(name=name, **{**known, **facts})


def face_models(*, has_toon: bool = False, has_cars: bool = False) -> FaceModelList:
    """One face model, on request with a cartoon model that it can start, and one of cars."""
    found = [face_model()]
    if has_toon:
        found.append(
            face_model(
                "restyle_psp.toon",
                title="Toons 64 px",
                domain="toon",
                methods=(*_METHODS, _BOOTSTRAP),
                starters=("restyle_psp.builtin",),
            )
        )
    if has_cars:
        found.append(
            face_model(
                "restyle_psp.cars",
                title="Cars",
                domain="cars",
                domain_title="Cars (Stanford Cars)",
                needs_face=False,
            )
        )
    return FaceModelList(tuple(found))
