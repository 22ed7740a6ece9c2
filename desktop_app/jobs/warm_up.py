"""Import the engine and load the encoder, so that the first answer is quick."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator

from desktop_app.catalogue.decode import load_decoders
from desktop_app.core.errors import WeightsError
from desktop_app.core.types import EngineReady, Progress, WarmUpRequest
from desktop_app.jobs.services import Services

_log = logging.getLogger(__name__)


def run(request: WarmUpRequest, services: Services) -> Generator[object, None, EngineReady]:
    """Warm up, in steps that leave room for other jobs; an encoder that is not there is no failure.

    Yields:
        `Progress`.

    Returns:
        `EngineReady`.
    """
    started_at = time.monotonic()
    # Vectors first: a search for a photo of the library needs nothing else.
    yield Progress(done=0, total=3, text="Reading the library")
    photos = services.vectors.count
    load_decoders(services.settings.library.max_megapixels)
    yield Progress(done=1, total=3, text="Loading the engine")
    from desktop_app.engine.device import choose_device, set_threads

    device = choose_device(services.settings.engine.device)
    threads = set_threads(services.settings.engine.threads)
    yield Progress(done=2, total=3, text="Loading the encoder")
    try:
        services.embedder()
    except WeightsError as error:
        _log.info("no encoder yet: %s", error)
    seconds = time.monotonic() - started_at
    _log.info("warm after %.1f s: %s, %d threads, %d photos in memory", seconds, device, threads, photos)
    return EngineReady(device=str(device), threads=threads, seconds=seconds)
