"""Write an edited face, its latents, the steps to it, or the photo with the face pasted back."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from desktop_app.core.errors import UserInputError, display_path
from desktop_app.core.types import ExportKind, ExportRequest, ExportResult, PasteMode, Progress

if TYPE_CHECKING:
    from desktop_app.jobs.face_sessions import FaceSession
    from desktop_app.jobs.services import Services

LATENTS_ENDING = ".npz"
# Low-rank change of a tuned generator, beside the latents that were exported with it.
DELTA_ENDING = ".generator_delta.safetensors"
# From this ratio of crop to model output on, the user is told what becomes of fine detail.
COARSE_RATIO = 1.25
# Of more steps than this (an optimiser makes many) as many are shown, evenly spread.
MOST_STEPS_SHOWN = 12


def run(request: ExportRequest, services: Services) -> Generator[Progress, None, ExportResult]:
    """Answer an `ExportRequest`.

    Yields:
        Progress between reading, rendering and writing.

    Raises:
        UserInputError: The session is closed, the ending does not fit, the target is the photo itself.
        ResourceError: The target cannot be written.
    """
    session = services.faces.sessions.get(request.session_id)
    _check_target(request, session, services=services)
    yield Progress(0, 3, text="Rendering")
    warnings: tuple[str, ...] = ()
    if request.kind is ExportKind.LATENTS:
        warnings = _write_latents(request, session, services=services)
    elif request.kind is ExportKind.FACE:
        _write_face(request, session, services=services)
    elif request.kind is ExportKind.STEPS:
        yield from _write_steps(request, session, services=services)
    else:
        warnings = yield from _write_photo(request, session, services=services)
    return ExportResult(request.target, warnings)


def _check_target(request: ExportRequest, session: FaceSession, *, services: Services) -> None:
    from desktop_app.engine.image_file import ANIMATION_ENDING, check_ending

    target = request.target
    if request.kind is ExportKind.LATENTS:
        if target.suffix.lower() != LATENTS_ENDING:
            raise UserInputError(
                f"Latents are written as {LATENTS_ENDING}, not as '{target.suffix}'.",
                f"Give a name that ends in {LATENTS_ENDING}.",
            )
    elif request.kind is not ExportKind.STEPS or target.suffix.lower() != ANIMATION_ENDING:
        check_ending(target)
    if not 0 <= request.blend <= 0.5:
        raise UserInputError(f"The soft edge must be 0 to 0.5 of the crop's side, not {request.blend}.")
    original = _source_file(session, services)
    if original is not None and _is_same_file(original, target):
        raise UserInputError(
            f"{display_path(target)} is the original photo; it is never overwritten.", "Choose another name."
        )


def _source_file(session: FaceSession, services: Services) -> Path | None:
    if session.source.image is not None:
        return None
    return services.source_path(session.source)


def _is_same_file(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:  # one of them does not exist
        return first.absolute() == second.absolute()


def _write_face(request: ExportRequest, session: FaceSession, *, services: Services) -> None:
    from desktop_app.engine.image_file import write_image

    write_image(services.faces.render_edit(session, request.edit), request.target)


def _write_steps(
    request: ExportRequest, session: FaceSession, *, services: Services
) -> Generator[Progress, None, None]:
    """The cut-out photo, the steps and the edit, as an animation or side by side."""
    from desktop_app.engine.image_file import ANIMATION_ENDING, write_animation, write_image
    from desktop_app.engine.image_tensor import tensor_to_image
    from desktop_app.engine.invert.step_pictures import animation, strip

    shown = _shown_steps(request.edit.step or len(session.codes))
    pictures = [session.aligned]
    for number, step in enumerate(shown):
        pictures.append(tensor_to_image(services.faces.synthesize_step(session, step)))
        yield Progress(number, len(shown) + 1, text="Rendering")
    if request.edit.mix is not None or any(strength for _, strength in request.edit.strengths):
        pictures.append(services.faces.render_edit(session, request.edit))
    if request.target.suffix.lower() == ANIMATION_ENDING:
        write_animation(animation(pictures), request.target)
    else:
        write_image(strip([pictures]), request.target)


def _shown_steps(last: int) -> list[int]:
    """Steps to show, the first and the last among them."""
    if last <= MOST_STEPS_SHOWN:
        return list(range(1, last + 1))
    return sorted({round(step) for step in np.linspace(1, last, MOST_STEPS_SHOWN)})


def _write_latents(request: ExportRequest, session: FaceSession, *, services: Services) -> tuple[str, ...]:
    """Codes of all steps and of the edit; what tuning changed goes into a file beside them."""
    from desktop_app.engine.image_file import write_file

    edited = services.faces.edited_code(session, request.edit)
    names = np.array([name for name, _ in request.edit.strengths], dtype=np.str_)
    strengths = np.array([strength for _, strength in request.edit.strengths], dtype=np.float32)
    quad = np.array(session.quad, dtype=np.float64).reshape(-1, 2)

    write_file(
        request.target,
        lambda handle: np.savez_compressed(
            handle,
            w_plus=session.codes,
            edited=edited,
            model=np.array(session.model),
            quad=quad,
            direction_names=names,
            strengths=strengths,
            method=np.array(session.method),
            tuned_from=np.array(session.tuned_from),
        ),
    )
    if session.delta is None:
        return ()
    beside = request.target.with_name(request.target.stem + DELTA_ENDING)
    session.delta.save(beside)
    return (f"What tuning changed in the model was written to {display_path(beside.name)}.",)


def _write_photo(
    request: ExportRequest, session: FaceSession, *, services: Services
) -> Generator[Progress, None, tuple[str, ...]]:
    from desktop_app.engine.align.ffhq_crop import quad_side_px
    from desktop_app.engine.align.paste_back import FacePaste, paste_back
    from desktop_app.engine.device import memory_errors_translated
    from desktop_app.engine.image_file import PhotoMetadata, read_metadata, write_image
    from desktop_app.engine.image_tensor import tensor_to_levels

    if not session.quad:
        raise UserInputError(
            "The picture was an aligned face already; there is no photo to paste it into.",
            "Save the face instead.",
        )
    model = services.faces.model(session.model)
    face = FacePaste(
        quad=session.quad,
        edited=tensor_to_levels(services.faces.synthesize_edit(session, request.edit)),
        reconstruction=tensor_to_levels(services.faces.synthesize_step(session, request.edit.step)),
        blend=request.blend,
        mode=request.paste,
    )
    yield Progress(1, 3, text="Reading the photo")
    photo = services.read_photo(session.source)
    with memory_errors_translated("paste the face back"):
        result = paste_back(photo, face)
    yield Progress(2, 3, text="Writing the photo")
    warnings = []
    file = _source_file(session, services)
    metadata = PhotoMetadata()
    if file is not None:
        metadata, warning = read_metadata(file, width_px=result.shape[1], height_px=result.shape[0])
        warnings += [warning] if warning else []
    side = quad_side_px(session.quad)
    if side > COARSE_RATIO * model.output_px:
        warnings.append(_detail_warning(request.paste, side_px=round(side), output_px=model.output_px))
    write_image(result, request.target, metadata)
    return tuple(warnings)


def _detail_warning(mode: PasteMode, *, side_px: int, output_px: int) -> str:
    sizes = f"The model paints {output_px} pixels, the face crop in the photo is {side_px} pixels wide"
    if mode is PasteMode.CHANGE:
        return f"{sizes}: the photo's own detail stays, except where the edit draws something new."
    return f"{sizes}: the pasted face is softer than the photo around it."
