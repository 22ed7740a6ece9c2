"""Faces and people in the database: named, joined, moved, found anew, wiped; the step that adds them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from desktop_app.catalogue import database, schema
from desktop_app.catalogue.catalogue import Batch, Catalogue
from desktop_app.catalogue.database import DATABASE_NAME
from desktop_app.catalogue.people import FaceEncoderRow, NewFace, SearchedPhoto
from desktop_app.catalogue.photos import PhotoFacts
from desktop_app.catalogue.scanner import FileStamp
from desktop_app.catalogue.thumbnails import content_digest
from desktop_app.core.errors import UserInputError

SIZE = 8


def _facts(number: int, *, content: bytes = b"") -> PhotoFacts:
    digest = content_digest(content or b"%d" % number)
    return PhotoFacts(FileStamp(Path(f"/p/{number}.jpg"), 10, number), digest, 400, 300, bytes(304))


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    made = Catalogue.open(tmp_path / "library")
    rows = np.full((6, 4), 0.5, dtype=np.float32)
    model = made.use_model("a", "1", embedding_size=4)
    made.store(Batch(photos=[_facts(n) for n in range(6)], embeddings=rows), model)
    yield made
    made.close()


def _face(axis: int, *, x: float = 10.0) -> NewFace:
    vector = np.full(SIZE, 0.05, dtype=np.float32)
    vector[axis] = 1.0
    quad = ((x, 10.0), (x, 110.0), (x + 100.0, 110.0), (x + 100.0, 10.0))
    picture = np.full((32, 32, 3), 20 * axis, dtype=np.uint8)
    return NewFace(quad, vector / np.linalg.norm(vector), picture)


def _encoder(catalogue: Catalogue, version: str = "1") -> FaceEncoderRow:
    return catalogue.people.use_encoder("faces", version, embedding_size=SIZE)


def _found(catalogue: Catalogue, version: str = "1") -> list[int]:
    """Photos 1 to 4 show one face each, 5 shows two, 6 none; returns the ids of the faces."""
    photos = [SearchedPhoto(n, (_face(n % 2),)) for n in range(1, 5)]
    photos += [SearchedPhoto(5, (_face(0), _face(1, x=200.0))), SearchedPhoto(6, ())]
    catalogue.people.store(photos, _encoder(catalogue, version))
    return [face.face_id for face in catalogue.people.faces()]


def test_faces_survive_closing_and_wait_for_nothing(catalogue: Catalogue) -> None:
    assert len(catalogue.people.waiting(None)) == 6
    _found(catalogue)
    other = Catalogue.open(catalogue.folder)
    faces = other.people.faces()
    assert [face.photo_id for face in faces] == [1, 2, 3, 4, 5, 5]
    assert all(face.picture.is_file() for face in faces)
    vectors, is_usable = other.people.vectors(faces)
    assert is_usable.all() and vectors.argmax(axis=1).tolist() == [1, 0, 1, 0, 0, 1]
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0)
    assert other.people.waiting(other.people.encoder()) == [] and other.people.searched() == 6
    other.close()


def test_changed_content_and_another_encoder_wait_again(catalogue: Catalogue) -> None:
    _found(catalogue)
    catalogue.photos._connection.execute("UPDATE photo SET digest = x'00' WHERE id = 2")
    assert catalogue.people.waiting(catalogue.people.encoder()) == [2]
    assert len(catalogue.people.waiting(_encoder(catalogue, "2"))) == 6


def test_lost_vectors_are_told_apart_from_those_that_are_there(catalogue: Catalogue) -> None:
    _found(catalogue)
    [segment] = (catalogue.folder / "faces" / "vectors").rglob("*.f16")
    segment.write_bytes(segment.read_bytes()[: 4 * SIZE * 2])
    _, is_usable = catalogue.people.vectors(catalogue.people.faces())
    assert is_usable.tolist() == [True] * 4 + [False] * 2


def test_names_join_and_are_checked(catalogue: Catalogue) -> None:
    faces = _found(catalogue)
    people = catalogue.people
    people.write_groups({}, [faces[:2], faces[2:4]])
    first, second = (person.person_id for person in people.people())
    assert people.name(first, "  Ada \n Lovelace ") == first
    assert people.people()[0].name == "Ada Lovelace" and people.people()[0].is_kept
    assert people.name(second, "ada lovelace") == first  # the name of another joins the two
    assert [person.person_id for person in people.people()] == [first]
    assert sum(face.person_id == first for face in people.faces()) == 4
    for name in ("   ", "\x07"):
        with pytest.raises(UserInputError, match="needs a name"):
            people.name(first, name)
    with pytest.raises(UserInputError, match="no longer there"):
        people.name(999, "Ada")


def test_faces_that_were_taken_out_remember_it(catalogue: Catalogue) -> None:
    faces = _found(catalogue)
    people = catalogue.people
    people.write_groups({}, [faces[:3]])
    [person] = people.people()
    assert people.move(faces[:1], 0) == 0
    assert people.face(faces[0]).person_id == 0
    assert people.refusals() == {(faces[0], person.person_id)}
    new = people.move(faces[1:2], -1)
    assert new not in (0, person.person_id) and people.face(faces[1]).is_confirmed
    people.move(faces[:1], person.person_id)  # the user thinks again
    assert (faces[0], person.person_id) not in people.refusals()
    people.move(faces[:1] + faces[2:3], 0)
    assert [one.person_id for one in people.people()] == [new]  # nobody without a face and a name


def test_a_face_described_anew_keeps_its_person(catalogue: Catalogue) -> None:
    faces = _found(catalogue)
    people = catalogue.people
    people.write_groups({}, [[faces[0], faces[2]]])
    [person] = people.people()
    people.name(person.person_id, "Ada")
    people.move([faces[4]], 0)
    _found(catalogue, "2")
    found = {face.photo_id: face.person_id for face in people.faces() if face.photo_id in (1, 3)}
    assert found == {1: person.person_id, 3: person.person_id}
    assert people.encoder().version == "2"
    old = people._connection.execute("SELECT count(*) FROM face_encoder").fetchone()[0]
    people.drop_old_encoders()
    assert old == 2 and len(list((catalogue.folder / "faces" / "vectors").iterdir())) == 1


def test_two_encoders_never_mix(catalogue: Catalogue) -> None:
    _found(catalogue)
    people = catalogue.people
    people.store([SearchedPhoto(1, (_face(3),))], _encoder(catalogue, "2"))
    assert [face.photo_id for face in people.faces()] == [1]  # the others wait for the new encoder
    _encoder(catalogue, "1")  # the first one comes back: its faces are not those of the newest row
    assert people.faces() == [] and len(people.waiting(people.encoder())) == 6


def test_forgetting_leaves_no_trace(catalogue: Catalogue) -> None:
    faces = _found(catalogue)
    people = catalogue.people
    people.write_groups({}, [faces])
    people.name(people.people()[0].person_id, "Zaphod Beeblebrox")
    people.forget_all()
    assert (people.faces(), people.people(), people.encoder(), people.searched()) == ([], [], None, 0)
    assert not (catalogue.folder / "faces").exists()
    catalogue.close()
    for file in catalogue.folder.iterdir():
        if file.is_file():
            assert b"Zaphod" not in file.read_bytes(), file.name


def test_faces_go_with_their_photos_and_names_stay(catalogue: Catalogue) -> None:
    faces = _found(catalogue)
    people = catalogue.people
    people.write_groups({}, [[faces[0]]])
    people.name(people.people()[0].person_id, "Ada")
    catalogue.photos.remove([1])
    assert all(face.photo_id != 1 for face in people.faces())
    people.write_groups({}, [])
    assert [person.name for person in people.people()] == ["Ada"]


def test_an_older_library_gets_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "STEPS", schema.STEPS[:3])
    monkeypatch.setattr(database, "SCHEMA_VERSION", 3)
    Catalogue.open(tmp_path).close()
    monkeypatch.undo()
    opened = Catalogue.open(tmp_path)
    assert opened.people.faces() == [] and opened.people.encoder() is None
    opened.close()
    backup = sqlite3.connect(tmp_path / f"{Path(DATABASE_NAME).stem}.format-3.backup.db")
    assert backup.execute("PRAGMA user_version").fetchone()[0] == 3
    backup.close()
