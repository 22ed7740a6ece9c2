"""List the edit sliders of a model, and render an edit."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import TYPE_CHECKING

from desktop_app.core.types import DirectionList, DirectionsRequest, EditRequest, EditResult, Progress

if TYPE_CHECKING:
    from desktop_app.jobs.services import Services


def run(
    request: DirectionsRequest | EditRequest, services: Services
) -> Generator[Progress, None, DirectionList | EditResult]:
    """Answer a `DirectionsRequest` or an `EditRequest`.

    Yields:
        Progress, while the directions of a model without a file of its own are found.

    Raises:
        UserInputError: The session is closed, or a direction is unknown.
        WeightsError: The model is missing or damaged.
    """
    if isinstance(request, DirectionsRequest):
        directions = yield from services.faces.finding_directions(request.model)
        name = services.faces.model_name(request.model)
        return DirectionList(name, tuple(direction.info for direction in directions))

    start = time.perf_counter()
    session = services.faces.sessions.get(request.session_id)
    image = services.faces.render_edit(session, request.edit)
    return EditResult(request.session_id, request.serial, image, time.perf_counter() - start)
