"""Invert one face of a photo: find it, cut it out, refine its code step by step."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import (
    AlignedFace,
    Image,
    InversionResult,
    InversionStep,
    InvertRequest,
    Progress,
    read_only,
)
from desktop_app.jobs.face_services import FaceSession, Quad
from desktop_app.jobs.pace import Pace

if TYPE_CHECKING:
    from desktop_app.engine.invert.model import InversionModel
    from desktop_app.jobs.services import Services

MAX_STEPS = 20
# A picture below this side holds no face that could be reconstructed.
SMALLEST_PX = 16
# The crop is sampled four times finer than it is stored and then reduced, as FFHQ itself is made;
# it is at least this large, so that a model with a small input is fed by proper reduction.
ALIGNED_PX = 256
OVERSAMPLING = 4


@dataclass(frozen=True, slots=True)
class _Crop:
    face: Image
    quad: Quad
    detector: str
    faces: int


def run(
    request: InvertRequest, services: Services
) -> Generator[Progress | AlignedFace | InversionStep, None, InversionResult]:
    """Answer an `InvertRequest`; the session stays open in `services.faces.sessions`.

    Yields:
        Progress, then the `AlignedFace`, then each `InversionStep` and progress after it.

    Raises:
        UserInputError: No face, no such face, a photo that is too small or not readable.
        WeightsError: The model is missing or damaged.
    """
    steps = request.steps or services.settings.inversion.steps
    if not 1 <= steps <= MAX_STEPS:
        raise UserInputError(f"The number of steps must be 1 to {MAX_STEPS}, not {steps}.")
    yield Progress(0, steps, text="Loading the model")
    model = services.faces.model(request.model)
    yield Progress(0, steps, text="Reading the photo")
    photo = services.read_photo(request.source)
    yield Progress(0, steps, text="Looking for the face")
    crop = _cut_out(photo, request, services=services, model=model)
    del photo
    aligned = _at_input_size(crop.face, model)
    yield _aligned_message(aligned, crop, model)

    from desktop_app.engine.invert.restyle import invert

    pace = Pace(steps, "Inverting")
    start = time.perf_counter()
    codes = []
    yield pace.progress(0)
    for step in invert(model, aligned, steps=steps):
        codes.append(step.w_plus)
        yield step
        yield pace.progress(step.index)
    session = FaceSession(
        session_id=services.faces.sessions.new_id(),
        model=model.name,
        codes=np.stack(codes).astype(np.float32),
        aligned=aligned,
        source=request.source,
        quad=crop.quad,
    )
    read_only(session.codes)
    services.faces.sessions.add(session)
    return InversionResult(
        session_id=session.session_id,
        model=model.name,
        steps=len(codes),
        seconds=time.perf_counter() - start,
        can_paste_back=bool(crop.quad),
    )


def _cut_out(photo: Image, request: InvertRequest, *, services: Services, model: InversionModel) -> _Crop:
    """The face as the request wants it: as it is, by hand-placed points, or found."""
    if min(photo.shape[:2]) < SMALLEST_PX:
        raise UserInputError(
            f"The photo is too small: {photo.shape[1]} x {photo.shape[0]} pixels, "
            f"at least {SMALLEST_PX} a side are needed.",
            "Use a larger photo.",
        )
    if request.is_aligned or not model.preset.needs_alignment:
        return _Crop(photo, (), "none", 1)

    from desktop_app.engine.align.ffhq_crop import align_face, quad_from_points

    if request.points is not None:
        quad, detector, count = quad_from_points(request.points), "manual", 1
    else:
        found = services.faces.detector.find(photo)
        detector, count = services.faces.detector.name, len(found)
        if not found:
            raise UserInputError(
                "No face was found in this photo.",
                "Place the eyes and the mouth by hand, or choose 'aligned' if the picture is a cut-out "
                "face already (--aligned).",
            )
        if not 0 <= request.face_index < count:
            raise UserInputError(
                f"There is no face number {request.face_index + 1}: "
                f"{count} {'was' if count == 1 else 'were'} found in this photo.",
                "Faces are numbered from 1, the largest first.",
            )
        quad = found[request.face_index].quad
    side = max(ALIGNED_PX, *model.input_size)
    face = align_face(photo, quad, output_px=side, transform_px=OVERSAMPLING * side)
    return _Crop(face, quad, detector, count)


def _at_input_size(face: Image, model: InversionModel) -> Image:
    """The face as the encoder gets it."""
    from desktop_app.engine.image_tensor import resized_image

    height, width = model.input_size
    aligned = resized_image(face, width_px=width, height_px=height)
    aligned.setflags(write=False)
    return aligned


def _aligned_message(aligned: Image, crop: _Crop, model: InversionModel) -> AlignedFace:
    from desktop_app.engine.image_tensor import tensor_to_image

    return AlignedFace(
        image=aligned,
        quad=crop.quad,
        detector=crop.detector,
        faces=crop.faces,
        start=tensor_to_image(model.average_output),
    )
