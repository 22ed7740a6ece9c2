"""Search with another encoder whose embeddings are in the library already."""

from __future__ import annotations

from collections.abc import Generator

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import EncoderSwitched, PhotoState, SwitchEncoderRequest
from desktop_app.jobs.services import Services


def run(request: SwitchEncoderRequest, services: Services) -> Generator[object, None, EncoderSwitched]:
    """Switch; the embeddings of the encoder before stay, so one more switch goes back.

    Returns:
        `EncoderSwitched`.

    Raises:
        UserInputError: The encoder has no embeddings here, or other ones than its weights give.
    """
    yield from ()
    model = services.catalogue.current_model(request.name)
    photos = services.catalogue.vector_counts().get(request.name, 0)
    if model is None or not photos:
        raise UserInputError(
            f"The photos have no embeddings of the encoder '{request.name}' yet.",
            "Index the folders with it first.",
        )
    if model.version != services.encoder_version(request.name):
        raise UserInputError(
            f"The embeddings in the library do not match the encoder '{request.name}': "
            "it was replaced or removed.",
            "The encoder in use stays; its index works as before.",
        )
    previous = services.encoder_name
    services.use_encoder(request.name)
    return EncoderSwitched(
        name=request.name,
        previous=previous,
        photos=photos,
        photos_total=services.catalogue.photos.counts()[PhotoState.INDEXED],
    )
