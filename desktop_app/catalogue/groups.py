"""Groups of photos that the user marked as belonging together."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from desktop_app.catalogue.database import transaction, translated_errors


class GroupRepository:
    """Reads and writes marked groups. A photo is in one group at most; groups that share one become one.

    Args:
        connection: The library's connection.
        file: Its database file, for messages.
    """

    def __init__(self, connection: sqlite3.Connection, file: Path) -> None:
        self._connection = connection
        self._file = file

    def all(self) -> dict[int, list[int]]:
        """Photo ids of each group that has at least two indexed photos, newest group first."""
        query = (
            "SELECT group_id, photo_id FROM group_member JOIN photo ON photo.id = photo_id "
            "WHERE photo.state = 'indexed' ORDER BY group_id DESC, photo_id"
        )
        found: dict[int, list[int]] = {}
        with translated_errors(self._file):
            for group_id, photo_id in self._connection.execute(query):
                found.setdefault(group_id, []).append(photo_id)
        return {group_id: photos for group_id, photos in found.items() if len(photos) > 1}

    def mark(self, photo_ids: Sequence[int]) -> int:
        """Say that photos belong together; returns the group they are in now."""
        wanted = sorted(set(photo_ids))
        with transaction(self._connection, self._file):
            touched = self._groups_of(wanted)
            group_id = touched[0] if touched else self._new_group()
            for other in touched[1:]:
                self._connection.execute(
                    "UPDATE group_member SET group_id = ? WHERE group_id = ?", (group_id, other)
                )
                self._connection.execute("DELETE FROM marked_group WHERE id = ?", (other,))
            self._connection.executemany(
                "INSERT INTO group_member (photo_id, group_id) VALUES (?, ?) "
                "ON CONFLICT (photo_id) DO UPDATE SET group_id = excluded.group_id",
                [(photo_id, group_id) for photo_id in wanted],
            )
        return group_id

    def unmark(self, photo_ids: Sequence[int]) -> None:
        """Take photos out of their groups; a group of one is no group any more."""
        with transaction(self._connection, self._file):
            self._connection.executemany(
                "DELETE FROM group_member WHERE photo_id = ?", [(photo_id,) for photo_id in photo_ids]
            )
            self._connection.execute(
                "DELETE FROM marked_group WHERE (SELECT count(*) FROM group_member "
                "WHERE group_id = marked_group.id) < 2"
            )

    def _groups_of(self, photo_ids: Sequence[int]) -> list[int]:
        found = set()
        for photo_id in photo_ids:
            row = self._connection.execute(
                "SELECT group_id FROM group_member WHERE photo_id = ?", (photo_id,)
            ).fetchone()
            if row:
                found.add(int(row[0]))
        return sorted(found)

    def _new_group(self) -> int:
        row = self._connection.execute(
            "INSERT INTO marked_group (marked_at) VALUES (?) RETURNING id", (int(time.time()),)
        ).fetchone()
        return int(row[0])
