"""Classes of the user: list, make, rename, remove, and mark photos."""

from __future__ import annotations

from collections.abc import Generator

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import (
    ClassesRequest,
    ClassList,
    CreateClassRequest,
    MarkPhotosRequest,
    RemoveClassRequest,
    RenameClassRequest,
)
from desktop_app.jobs.services import Services

_Request = ClassesRequest | CreateClassRequest | RenameClassRequest | RemoveClassRequest | MarkPhotosRequest


def run(request: _Request, services: Services) -> Generator[object, None, ClassList]:
    """Answer any of the requests; each change is one transaction, also while photos are indexed.

    Returns:
        `ClassList`.

    Raises:
        UserInputError: The name cannot be used, or class or photos are gone.
        ResourceError: The library cannot be written.
    """
    yield from ()
    classes = services.catalogue.classes
    changed = 0
    if isinstance(request, CreateClassRequest):
        changed = classes.create(request.name)
    elif isinstance(request, RenameClassRequest):
        changed = request.class_id
        classes.rename(changed, request.name)
    elif isinstance(request, RemoveClassRequest):
        classes.remove(request.class_id)
    elif isinstance(request, MarkPhotosRequest):
        changed = request.class_id
        done = classes.mark(changed, request.photo_ids, mark=request.mark, is_answer=request.is_answer)
        if not done and request.photo_ids:
            raise UserInputError("These photos are not marked or no longer in the library.")
    return ClassList(classes.all(), changed)
