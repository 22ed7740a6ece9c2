"""People of the library: list, name, join, hide, move faces, forget everything."""

from __future__ import annotations

from collections.abc import Generator

from desktop_app.core.types import (
    ForgetFacesRequest,
    HidePersonRequest,
    MergePeopleRequest,
    MoveFacesRequest,
    NamePersonRequest,
    PeopleList,
    PeopleRequest,
    PersonFaces,
    PersonFacesRequest,
)
from desktop_app.jobs.people_list import by_likeness, people_list, tiles
from desktop_app.jobs.services import Services

Change = NamePersonRequest | MergePeopleRequest | HidePersonRequest | MoveFacesRequest | ForgetFacesRequest


def run(
    request: PeopleRequest | PersonFacesRequest | Change, services: Services
) -> Generator[object, None, PeopleList | PersonFaces]:
    """Answer any of them; a change is written at once.

    Raises:
        UserInputError: A person or face is gone, or a name is not usable.
        CatalogueError: Another program or job is changing the library.
    """
    yield from ()
    if isinstance(request, PersonFacesRequest):
        return _faces(request, services)
    if isinstance(request, PeopleRequest):
        return people_list(services)
    with services.catalogue.writing():
        changed = _change(request, services)
    return people_list(services, changed=changed)


def _change(request: Change, services: Services) -> int:
    repository = services.catalogue.people
    if isinstance(request, NamePersonRequest):
        return repository.name(request.person_id, request.name)
    if isinstance(request, MergePeopleRequest):
        return repository.merge(request.person_ids)
    if isinstance(request, HidePersonRequest):
        repository.hide(request.person_id, is_hidden=request.is_hidden)
        return request.person_id
    if isinstance(request, MoveFacesRequest):
        return repository.move(request.face_ids, request.person_id)
    repository.forget_all()
    return 0


def _faces(request: PersonFacesRequest, services: Services) -> PersonFaces:
    repository = services.catalogue.people
    faces = [face for face in repository.faces() if face.person_id == request.person_id]
    if request.person_id:
        faces = by_likeness(faces, repository.vectors(faces)[0])
    people = people_list(services).people
    person = next((one for one in people if one.person_id == request.person_id), None)
    return PersonFaces(person, tiles(services, faces))
