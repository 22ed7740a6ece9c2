"""The photo with the edited face pasted back, reduced for display; nothing is written."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import PastePreview, PastePreviewRequest

if TYPE_CHECKING:
    from desktop_app.jobs.services import Services


def run(request: PastePreviewRequest, services: Services) -> Generator[object, None, PastePreview]:
    """Answer a `PastePreviewRequest`.

    Raises:
        UserInputError: The session is closed, its picture was aligned already, or is gone.
    """
    from desktop_app.engine.align.paste_back import FacePaste, paste_back
    from desktop_app.engine.device import memory_errors_translated
    from desktop_app.engine.image_tensor import tensor_to_levels
    from desktop_app.jobs.preview_photo import reduced_photo

    session = services.faces.sessions.get(request.session_id)
    if not session.quad:
        raise UserInputError(
            "The picture was an aligned face already; there is no photo to paste it into.",
            "Save the face instead.",
        )
    photo, width_px, height_px = reduced_photo(session.source, services, max_px=request.max_px)
    yield None
    across, down = photo.shape[1] / width_px, photo.shape[0] / height_px
    paste = FacePaste(
        quad=tuple((x * across, y * down) for x, y in session.quad),
        edited=tensor_to_levels(services.faces.synthesize_edit(session, request.edit)),
        reconstruction=tensor_to_levels(services.faces.synthesize_step(session, request.edit.step)),
        blend=request.blend,
        mode=request.paste,
    )
    with memory_errors_translated("paste the face back"):
        return PastePreview(request.serial, photo, paste_back(photo, paste))
