"""Thumbnails in memory: newest wish first, with a limit in bytes.

Files are read on a thread of its own, which touches nothing of Qt but a signal without payload.
Pictures are decoded in the GUI thread, a few milliseconds at a time: one takes 0.3 ms, measured, so
that a second thread for it would gain nothing, and no Qt object is made outside the GUI thread.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterable
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QPixmap

_MOST_WISHES = 400
# Read but not decoded yet; beyond this the reading thread waits.
_MOST_READ = 64
_DECODE_SLICE_S = 0.005
_BYTES_PER_PIXEL = 4
_CLOSE_S = 2.0


class ThumbnailCache(QObject):
    """Gives pixmaps of thumbnail files at once or later.

    A missing thumbnail is wished for by asking; `ready` follows. Wishes that were overtaken by some
    hundred newer ones (fast scrolling) are forgotten; the view asks again when it paints them.

    Signals:
        ready: The thumbnail of a file (`Path`) can be had now, or has turned out unreadable.
        renewed: Some files hold other pictures now; those shown are asked for again.

    Args:
        parent: Qt owner.
        limit_bytes: Memory of all kept pixmaps at most.
    """

    ready = Signal(object)
    renewed = Signal()
    _files_read = Signal()

    def __init__(self, parent: QObject | None = None, *, limit_bytes: int = 192_000_000) -> None:
        super().__init__(parent)
        self._limit_bytes = limit_bytes
        self._used_bytes = 0
        self._kept: OrderedDict[Path, QPixmap] = OrderedDict()
        self._unreadable: set[Path] = set()
        self._stale: set[Path] = set()
        self._pending: set[Path] = set()
        self._decode_timer = QTimer(self)
        self._decode_timer.setInterval(0)
        self._decode_timer.timeout.connect(self._decode)
        self._files_read.connect(self._decode_timer.start, Qt.ConnectionType.QueuedConnection)
        # Shared with the reading thread, under the lock of the condition.
        self._wake = threading.Condition()
        self._wishes: OrderedDict[Path, None] = OrderedDict()
        self._read: deque[tuple[Path, bytes]] = deque()
        self._is_closed = False
        self._thread: threading.Thread | None = None

    @property
    def used_bytes(self) -> int:
        """Memory of all kept pixmaps."""
        return self._used_bytes

    def pixmap(self, file: Path) -> QPixmap | None:
        """The thumbnail, or None for now; then it is read and `ready` follows.

        One that was renewed is given as it was, until the new one is read and `ready` follows.
        """
        found = self._kept.get(file)
        if found is not None:
            self._kept.move_to_end(file)
            if file in self._stale and file not in self._pending:
                self._stale.discard(file)
                self._wish(file)
            return found
        if file not in self._unreadable:
            self._wish(file)
        return None

    def is_awaited(self, file: Path) -> bool:
        """Whether another picture of the file is on its way."""
        return file in self._pending

    def renew(self, files: Iterable[Path]) -> None:
        """Files were written anew: read them again when they are asked for."""
        renewed = set(files)
        self._unreadable -= renewed
        self._stale.update(file for file in renewed if file in self._kept or file in self._pending)
        self.renewed.emit()

    def has_failed(self, file: Path) -> bool:
        """Whether the file turned out to be unreadable."""
        return file in self._unreadable

    def forget_failures(self) -> None:
        """Try unreadable files again when they are asked for."""
        self._unreadable.clear()

    def close(self) -> None:
        """Stop reading; waits a moment for the one file being read."""
        with self._wake:
            self._is_closed = True
            self._wishes.clear()
            self._read.clear()
            self._wake.notify_all()
        self._decode_timer.stop()
        if self._thread is not None:
            self._thread.join(_CLOSE_S)
            self._thread = None

    # --- GUI thread -----------------------------------------------------------------------------

    def _wish(self, file: Path) -> None:
        with self._wake:
            if self._is_closed:
                return
            if file in self._pending:
                if file in self._wishes:
                    self._wishes.move_to_end(file)
                return
            self._wishes[file] = None
            self._pending.add(file)
            while len(self._wishes) > _MOST_WISHES:
                forgotten = self._wishes.popitem(last=False)[0]
                self._pending.discard(forgotten)
                if forgotten in self._kept:
                    self._stale.add(forgotten)
            self._wake.notify_all()
        if self._thread is None:
            self._thread = threading.Thread(target=self._read_files, name="thumbnails", daemon=True)
            self._thread.start()

    def _decode(self) -> None:
        """Make pixmaps of what was read, for a short while at a time."""
        until = time.perf_counter() + _DECODE_SLICE_S
        while time.perf_counter() < until:
            with self._wake:
                if not self._read:
                    self._decode_timer.stop()
                    return
                file, content = self._read.popleft()
                self._pending.discard(file)
                self._wake.notify_all()
            self._keep(file, content)

    def _keep(self, file: Path, content: bytes) -> None:
        pixmap = QPixmap()
        if not content or not pixmap.loadFromData(content):
            if file in self._stale and file not in self._kept:
                self._stale.discard(file)  # it was written anew while it was being read
            else:
                self._unreadable.add(file)
        else:
            self._unreadable.discard(file)
            before = self._kept.pop(file, None)
            self._used_bytes += _size(pixmap) - (_size(before) if before is not None else 0)
            self._kept[file] = pixmap
        while self._used_bytes > self._limit_bytes and len(self._kept) > 1:
            file_dropped, dropped = self._kept.popitem(last=False)
            self._stale.discard(file_dropped)
            self._used_bytes -= _size(dropped)
        self.ready.emit(file)

    # --- reading thread -------------------------------------------------------------------------

    def _read_files(self) -> None:
        while True:
            with self._wake:
                while not self._is_closed and (not self._wishes or len(self._read) >= _MOST_READ):
                    self._wake.wait()
                if self._is_closed:
                    return
                file = self._wishes.popitem(last=True)[0]
            try:
                content = file.read_bytes()
            except OSError:
                content = b""
            with self._wake:
                if self._is_closed:
                    return
                self._read.append((file, content))
                must_tell = len(self._read) == 1
            if must_tell:
                self._files_read.emit()


def _size(pixmap: QPixmap) -> int:
    return pixmap.width() * pixmap.height() * _BYTES_PER_PIXEL
