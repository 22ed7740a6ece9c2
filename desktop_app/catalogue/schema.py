"""The tables of a library, as steps that lead from each version to the next.

A step is never edited once released; a change is a new step at the end. Ids of photos and models are
never used twice (AUTOINCREMENT): a screen or a folder of embeddings may still hold an old one.
"""

from __future__ import annotations

# "Cntr" in ASCII: tells our files from other SQLite databases.
APPLICATION_ID = 0x436E7472

_STEP_1 = """
CREATE TABLE folder (
    id INTEGER PRIMARY KEY,
    path BLOB NOT NULL UNIQUE
);
CREATE TABLE photo (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    path BLOB NOT NULL UNIQUE,
    sort_name TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    width_px INTEGER NOT NULL,
    height_px INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('indexed', 'unreadable', 'missing')),
    reason TEXT NOT NULL,
    digest BLOB
);
CREATE INDEX photo_by_time ON photo (state, modified_ns, id);
CREATE INDEX photo_by_name ON photo (state, sort_name, id);
CREATE INDEX photo_by_digest ON photo (digest) WHERE digest IS NOT NULL;
CREATE TABLE signature (
    photo_id INTEGER PRIMARY KEY REFERENCES photo (id) ON DELETE CASCADE,
    picture BLOB NOT NULL
);
CREATE TABLE model (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    embedding_size INTEGER NOT NULL,
    UNIQUE (name, version, embedding_size)
);
CREATE TABLE vector (
    model_id INTEGER NOT NULL REFERENCES model (id) ON DELETE CASCADE,
    photo_id INTEGER NOT NULL REFERENCES photo (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    PRIMARY KEY (model_id, photo_id)
) WITHOUT ROWID;
CREATE INDEX vector_by_photo ON vector (photo_id);
CREATE INDEX vector_by_position ON vector (model_id, position);
"""

# Groups of photos that the user marked as belonging together.
_STEP_MARKED_GROUPS = """
CREATE TABLE marked_group (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    marked_at INTEGER NOT NULL
);
CREATE TABLE group_member (
    photo_id INTEGER PRIMARY KEY REFERENCES photo (id) ON DELETE CASCADE,
    group_id INTEGER NOT NULL REFERENCES marked_group (id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX group_member_by_group ON group_member (group_id);
"""

# The user's own classes: which photos were marked as members, and which marks answer a proposal.
_STEP_CLASSES = """
CREATE TABLE class (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    folded_name TEXT NOT NULL UNIQUE
);
CREATE TABLE class_mark (
    class_id INTEGER NOT NULL REFERENCES class (id) ON DELETE CASCADE,
    photo_id INTEGER NOT NULL REFERENCES photo (id) ON DELETE CASCADE,
    is_member INTEGER NOT NULL CHECK (is_member IN (0, 1)),
    is_answer INTEGER NOT NULL CHECK (is_answer IN (0, 1)),
    marked_at REAL NOT NULL,
    PRIMARY KEY (class_id, photo_id)
) WITHOUT ROWID;
CREATE INDEX class_mark_by_photo ON class_mark (photo_id);
"""

# Faces found in photos and whose they are. Vectors lie in segments of their own, pictures of faces beside
# them, so that all of it can be wiped at once.
_STEP_PEOPLE = """
CREATE TABLE face_encoder (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    embedding_size INTEGER NOT NULL
);
CREATE TABLE face_search (
    photo_id INTEGER PRIMARY KEY REFERENCES photo (id) ON DELETE CASCADE,
    encoder_id INTEGER NOT NULL REFERENCES face_encoder (id) ON DELETE CASCADE,
    digest BLOB
) WITHOUT ROWID;
CREATE TABLE person (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL DEFAULT '',
    is_hidden INTEGER NOT NULL DEFAULT 0 CHECK (is_hidden IN (0, 1)),
    is_kept INTEGER NOT NULL DEFAULT 0 CHECK (is_kept IN (0, 1))
);
CREATE TABLE face (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    photo_id INTEGER NOT NULL REFERENCES photo (id) ON DELETE CASCADE,
    encoder_id INTEGER NOT NULL REFERENCES face_encoder (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    quad BLOB NOT NULL,
    picture TEXT NOT NULL,
    person_id INTEGER REFERENCES person (id) ON DELETE SET NULL,
    is_confirmed INTEGER NOT NULL DEFAULT 0 CHECK (is_confirmed IN (0, 1))
);
CREATE INDEX face_by_photo ON face (photo_id);
CREATE INDEX face_by_person ON face (person_id);
CREATE UNIQUE INDEX face_by_position ON face (encoder_id, position);
CREATE TABLE face_refusal (
    face_id INTEGER NOT NULL REFERENCES face (id) ON DELETE CASCADE,
    person_id INTEGER NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    PRIMARY KEY (face_id, person_id)
) WITHOUT ROWID;
CREATE INDEX face_refusal_by_person ON face_refusal (person_id);
"""

# Embeddings made from the small picture inside a photo file, until the photo itself was decoded.
_STEP_PREVIEWS = """
ALTER TABLE vector ADD COLUMN is_preview INTEGER NOT NULL DEFAULT 0 CHECK (is_preview IN (0, 1));
CREATE INDEX vector_of_preview ON vector (photo_id) WHERE is_preview = 1;
"""

STEPS: tuple[str, ...] = (_STEP_1, _STEP_MARKED_GROUPS, _STEP_CLASSES, _STEP_PEOPLE, _STEP_PREVIEWS)
SCHEMA_VERSION = len(STEPS)
