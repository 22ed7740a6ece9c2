"""People over a real library with the real face encoder: found, grouped, named, searched, forgotten."""

from __future__ import annotations

import csv
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from desktop_app.catalogue.people import NewFace, SearchedPhoto
from desktop_app.core.errors import CatalogueError, UserInputError, WeightsError
from desktop_app.core.types import (
    AlikeKind,
    FaceSearchRequest,
    FaceSearchResult,
    FindPeopleRequest,
    ForgetFacesRequest,
    HidePersonRequest,
    MergePeopleRequest,
    MoveFacesRequest,
    NamePersonRequest,
    PeopleList,
    PeopleRequest,
    PersonFacesRequest,
    PhotoSource,
    PreviewRequest,
    TuneOptionsRequest,
)
from desktop_app.jobs import find_people, people, preview_photo, search_face, tune_options
from desktop_app.jobs.people_list import FACE_ENCODER
from desktop_app.jobs.services import Services
from tests.library import drive, index, open_services
from tests.tiny_embedder import TinyEmbedder

PEOPLE = 5


def _services(folder: Path) -> Services:
    """A library with a tiny encoder for photos and the real one for faces."""
    services = open_services(folder)
    load = services._load_embedder
    services._embedder_factory = lambda name: load(name) if name == FACE_ENCODER else TinyEmbedder(name)
    return services


@pytest.fixture(scope="module")
def faces_of(request: pytest.FixtureRequest) -> dict[str, list[Path]]:
    """Faces of val people by person, those with several first."""
    folder = request.getfixturevalue("sample_data") / "faces"
    with (folder / "index.csv").open(encoding="utf-8", newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if row["split"] == "val"]
    found: dict[str, list[Path]] = defaultdict(list)
    for row in rows:
        found[row["person"]].append(folder / row["file"])
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))


def _photos(folder: Path, faces_of: dict[str, list[Path]], *, count: int = PEOPLE) -> Path:
    folder.mkdir()
    for person, files in list(faces_of.items())[:count]:
        for file in files:
            shutil.copy(file, folder / f"{person}-{file.name}")
    return folder


@pytest.fixture
def library(tmp_path: Path, faces_of: dict[str, list[Path]]) -> Iterator[Services]:
    services = _services(tmp_path)
    index(services, _photos(tmp_path / "photos", faces_of))
    yield services
    services.close()


def _find(services: Services, *, regroup_only: bool = False) -> PeopleList:
    answer = drive(find_people.run(FindPeopleRequest(regroup_only), services))[1]
    assert isinstance(answer, PeopleList)
    return answer


def _ask(request: object, services: Services) -> object:
    return drive(people.run(request, services))[1]  # type: ignore[arg-type]


def _search(request: FaceSearchRequest, services: Services) -> FaceSearchResult:
    return drive(search_face.run(request, services))[1]


def _owner(path: Path) -> str:
    return path.name.split("-")[0]


def test_people_are_found_grouped_named_and_searched(library: Services) -> None:
    assert _ask(PeopleRequest(), library) == PeopleList((), 0, 0, 0, 3 * PEOPLE)  # nothing by itself
    found = _find(library)
    assert (found.searched, found.waiting, found.encoder) == (3 * PEOPLE, 0, FACE_ENCODER)
    assert found.faces >= 3 * PEOPLE - 2 and found.is_usable
    assert 3 <= len(found.people) <= 2 * PEOPLE
    for person in found.people:
        answer = _ask(PersonFacesRequest(person.person_id), library)
        assert len({_owner(face.photo.path) for face in answer.faces}) == 1
        assert all(face.picture.is_file() for face in answer.faces) and person.cover.is_file()
    first = found.people[0]
    named = _ask(NamePersonRequest(first.person_id, "Ada"), library)
    assert named.people[0].name == "Ada" and named.changed == first.person_id
    again = _find(library, regroup_only=True)
    assert [(p.person_id, p.name, p.faces) for p in again.people] == [
        (p.person_id, p.name, p.faces) for p in named.people
    ]
    face = _ask(PersonFacesRequest(first.person_id), library).faces[0]
    source = PhotoSource(photo_id=face.photo.photo_id)
    assert drive(preview_photo.run(PreviewRequest(source), library))[1].faces >= 1
    assert drive(preview_photo.run(PreviewRequest(PhotoSource(path=face.photo.path)), library))[1].faces == 0
    hits = _search(FaceSearchRequest(face_id=face.face_id), library)
    assert hits.hits[0].is_likely and _owner(hits.hits[0].face.photo.path) == _owner(face.photo.path)
    assert all(hit.face.photo.photo_id != face.photo.photo_id for hit in hits.hits)
    same = _search(FaceSearchRequest(source=PhotoSource(path=face.photo.path)), library)
    assert same.hits[0].similarity > 0.95 and same.faces_in_query >= 1


def test_what_the_user_says_survives_grouping_anew(library: Services) -> None:
    found = _find(library)
    first, second = found.people[0], found.people[1]
    out = _ask(PersonFacesRequest(first.person_id), library).faces[-1]
    _ask(NamePersonRequest(first.person_id, "Ada"), library)
    _ask(MoveFacesRequest((out.face_id,), 0), library)
    _ask(HidePersonRequest(second.person_id, True), library)
    again = _find(library, regroup_only=True)
    kept = {person.person_id: person for person in again.people}
    assert kept[first.person_id].name == "Ada" and kept[second.person_id].is_hidden
    assert library.catalogue.people.face(out.face_id).person_id != first.person_id
    joined = _ask(MergePeopleRequest((second.person_id, first.person_id)), library)
    assert joined.changed == first.person_id  # the one with a name stays
    assert second.person_id not in {person.person_id for person in _find(library).people}


def test_photos_of_a_person_can_be_learned_from(library: Services) -> None:
    def choice() -> tuple[int | None, int | None, str]:
        options = drive(tune_options.run(TuneOptionsRequest(), library))[1]
        one = next(c for c in options.choices if c.kind is AlikeKind.PEOPLE)
        return one.sets, one.photos, one.problem

    assert "Press Find people" in choice()[2]
    found = _find(library)
    sets, photos, problem = choice()
    assert sets == len(found.people) and photos >= 2 * sets and not problem


def test_forgetting_wipes_all_and_finding_begins_anew(library: Services) -> None:
    _find(library)
    empty = _ask(ForgetFacesRequest(), library)
    assert (empty.faces, empty.searched, empty.encoder) == (0, 0, "")
    assert not (library.library / "faces").exists()
    with pytest.raises(UserInputError, match="not looked for yet"):
        _search(FaceSearchRequest(face_id=1), library)
    assert _find(library).faces > 0


def test_a_library_without_faces_and_an_empty_one(tmp_path: Path) -> None:
    services = _services(tmp_path)
    with pytest.raises(UserInputError, match="no photo in the library"):
        _find(services)
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        level = np.random.default_rng(number).integers(0, 256, (60, 80, 3)).astype(np.uint8)
        PillowImage.fromarray(level).save(folder / f"{number}.png")
    index(services, folder)
    found = _find(services)
    assert (found.faces, found.people, found.searched, found.waiting) == (0, (), 3, 0)
    with pytest.raises(UserInputError, match="No face was found"):
        _search(FaceSearchRequest(source=PhotoSource(path=folder / "0.png")), services)
    services.close()


def test_one_person_only_is_no_choice_for_tuning(tmp_path: Path, faces_of: dict[str, list[Path]]) -> None:
    services = _services(tmp_path)
    index(services, _photos(tmp_path / "photos", faces_of, count=1))
    assert len(_find(services).people) <= 1
    options = drive(tune_options.run(TuneOptionsRequest(), services))[1]
    choice = next(c for c in options.choices if c.kind is AlikeKind.PEOPLE)
    assert "Two people" in choice.problem
    services.close()


def test_a_missing_encoder_and_another_one_lose_nothing(
    library: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _find(library)
    _ask(NamePersonRequest(found.people[0].person_id, "Ada"), library)
    version = library.encoder_version

    def changed(name: str = "") -> str:
        return "another" if name == FACE_ENCODER else version(name)

    monkeypatch.setattr(library, "encoder_version", changed)
    answer = _ask(PeopleRequest(), library)
    assert not answer.is_usable and "another face encoder" in answer.problem
    assert answer.people[0].name == "Ada" and answer.waiting == answer.searched
    with pytest.raises(WeightsError, match="another face encoder"):
        _search(FaceSearchRequest(source=PhotoSource(photo_id=1)), library)
    anew = _find(library)
    assert anew.is_usable and anew.people[0].name == "Ada"
    assert anew.people[0].faces == found.people[0].faces
    monkeypatch.setattr(library, "encoder_version", lambda name="": "" if name else version())
    with pytest.raises(WeightsError, match="not installed"):
        _find(library)
    assert _ask(PeopleRequest(), library).people[0].name == "Ada"


def test_finding_waits_while_another_job_changes_the_library(library: Services) -> None:
    job = find_people.run(FindPeopleRequest(), library)
    with library.catalogue.writing():
        messages = [next(job) for _ in range(4)]
        assert "Waiting" in messages[-1].text
    found = drive(job)[1]
    assert found.waiting == 0
    with library.catalogue.writing(), pytest.raises(CatalogueError, match="another job"):
        _ask(NamePersonRequest(found.people[0].person_id, "Ada"), library)


_CHILD = """
import sys
from pathlib import Path
import numpy as np
from desktop_app.catalogue.catalogue import Catalogue
from desktop_app.catalogue.people import NewFace, SearchedPhoto
catalogue = Catalogue.open(Path(sys.argv[1]))
people = catalogue.people
encoder = people.use_encoder("faces", "1", embedding_size=16)
print("open", flush=True)
quad = ((0.0, 0.0), (0.0, 90.0), (90.0, 90.0), (90.0, 0.0))
for photo_id in people.waiting(encoder):
    vector = np.random.default_rng(photo_id).normal(size=16).astype(np.float32)
    vector /= np.linalg.norm(vector)
    picture = np.full((24, 24, 3), photo_id % 256, dtype=np.uint8)
    people.store([SearchedPhoto(photo_id, (NewFace(quad, vector, picture),))], encoder)
    print(photo_id, flush=True)
print("end", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs kill -9")
def test_killed_again_and_again_loses_no_face_that_was_reported(tmp_path: Path) -> None:
    services = open_services(tmp_path)
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(120):
        PillowImage.new("RGB", (20 + number, 20), (number, 9, 9)).save(photos / f"{number}.png")
    index(services, photos)
    services.close()
    chance, reported, ended = random.Random(3), set(), False
    for _ in range(12):
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(tmp_path / "library")], stdout=subprocess.PIPE, text=True
        )
        with child:
            assert child.stdout is not None and child.stdout.readline() == "open\n"
            lines = [child.stdout.readline() for _ in range(chance.randrange(1, 25))]
            time.sleep(chance.uniform(0.0, 0.01))
            child.send_signal(signal.SIGKILL)
            lines = "".join([*lines, child.stdout.read()]).splitlines()
        ended = "end" in lines
        reported |= {int(line) for line in lines[:-1] if line.isdigit()}
        services = open_services(tmp_path)
        services.catalogue.check_integrity()
        faces = services.catalogue.people.faces()
        vectors, is_usable = services.catalogue.people.vectors(faces)
        assert reported <= {face.photo_id for face in faces} and is_usable.all()
        for face, vector in zip(faces, vectors, strict=True):
            wanted = np.random.default_rng(face.photo_id).normal(size=16)
            assert vector @ (wanted / np.linalg.norm(wanted)) > 0.99
            assert face.picture.is_file()
        services.close()
        if ended:
            break
    assert len(reported) > 40


def test_groups_follow_the_faces_and_take_over_old_ids(tmp_path: Path) -> None:
    services = open_services(tmp_path)
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(8):
        PillowImage.new("RGB", (20 + number, 20), (number, 9, 9)).save(photos / f"{number}.png")
    index(services, photos)
    repository = services.catalogue.people
    encoder = repository.use_encoder(FACE_ENCODER, services.encoder_version(FACE_ENCODER), embedding_size=16)
    quad = ((0.0, 0.0), (0.0, 90.0), (90.0, 90.0), (90.0, 0.0))
    picture = np.zeros((24, 24, 3), dtype=np.uint8)
    for photo_id in repository.waiting(encoder):
        vector = np.full(16, 0.02 * photo_id, dtype=np.float32)
        vector[photo_id % 2] = 3.0
        face = NewFace(quad, vector / np.linalg.norm(vector), picture)
        repository.store([SearchedPhoto(photo_id, (face,))], encoder)
    find_people.group_people(services)
    before = {face.face_id: face.person_id for face in repository.faces()}
    assert len(set(before.values())) == 2 and 0 not in before.values()
    find_people.group_people(services)
    assert {face.face_id: face.person_id for face in repository.faces()} == before
    services.close()
