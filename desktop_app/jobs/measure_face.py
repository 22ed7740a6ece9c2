"""Compare the last step of an inversion with its photo, by every measure that is at hand."""

from __future__ import annotations

import logging
from collections.abc import Generator
from typing import TYPE_CHECKING

from desktop_app.core.errors import WeightsError
from desktop_app.core.types import Measure, MeasureRequest, Measures

if TYPE_CHECKING:
    from torch import Tensor

    from desktop_app.engine.metrics.identity import IdentityMeter
    from desktop_app.jobs.face_sessions import FaceSession
    from desktop_app.jobs.services import Services

_log = logging.getLogger(__name__)


def run(request: MeasureRequest, services: Services) -> Generator[object, None, Measures]:
    """Answer a `MeasureRequest`.

    Yields:
        None between two measures.

    Raises:
        UserInputError: The session is closed or has no step.
    """
    from desktop_app.engine.device import memory_errors_translated
    from desktop_app.engine.metrics.lpips import lpips_each
    from desktop_app.engine.metrics.ms_ssim import WINDOW_PX, ms_ssim_each

    session = services.faces.sessions.get(request.session_id)
    session.code(0)
    found = [
        Measure("l2", session.errors[-1], is_higher_better=False),
        Measure("seconds", session.seconds, is_higher_better=False),
    ]
    with memory_errors_translated("measure the face"):
        y, x = _pictures(session, services)
        if min(x.shape[-2:]) >= WINDOW_PX:
            found.insert(1, Measure("ms_ssim", float(ms_ssim_each(y, x)), is_higher_better=True))
        network = services.faces.lpips()
        if network is not None:
            found.insert(-1, Measure("lpips", float(lpips_each(network, y, x)), is_higher_better=False))
    yield None
    meter = _identity(services)
    if meter is not None:
        with memory_errors_translated("measure the face"):
            value = float(meter.similarity_each(y, x))
        found.insert(-1, Measure("identity", value, is_higher_better=True, note=meter.name))
    return Measures(session.session_id, tuple(found))


def _pictures(session: FaceSession, services: Services) -> tuple[Tensor, Tensor]:
    """The last step as it was shown, and the face, at the encoder's input size."""
    from desktop_app.engine.image_tensor import image_to_tensor

    model = services.faces.model(session.model)
    x = image_to_tensor(session.aligned).to(model.device)
    if session.last is None:
        y = services.faces.synthesize_step(session, 0)
    else:
        y = image_to_tensor(session.last.y_hat).to(model.device)
    return model.pool(y).clamp(-1, 1), x


def _identity(services: Services) -> IdentityMeter | None:
    """A recognition network, else the built-in face encoder, else the encoder of the library, else none."""
    from desktop_app.engine.device import choose_device
    from desktop_app.engine.metrics.identity import identity_meter

    device = choose_device(services.settings.engine.device)
    meter = identity_meter(services.models, device=device, embedder=None)
    if meter is not None:
        return meter
    try:
        return identity_meter(services.models, device=device, embedder=services.embedder())
    except WeightsError as error:
        _log.info("no measure of identity: %s", error)
        return None
