"""Thumbnails in memory: read on threads of their own, newest wish first, with a limit in bytes."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QThread, QThreadPool, Signal
from PySide6.QtGui import QImage, QImageReader, QPixmap

_THREADS = 2
_FILES_AT_ONCE = 6
_MOST_WISHES = 400
_BYTES_PER_PIXEL = 4


class ThumbnailCache(QObject):
    """Gives pixmaps of thumbnail files at once or later.

    A missing thumbnail is wished for by asking; `ready` follows. Wishes that were overtaken by some
    hundred newer ones (fast scrolling) are forgotten; the view asks again when it paints them.

    Signals:
        ready: The thumbnail of a file (`Path`) can be had now, or has turned out unreadable.

    Args:
        parent: Qt owner.
        limit_bytes: Memory of all kept pixmaps at most.
    """

    ready = Signal(object)
    _loaded = Signal(object)

    def __init__(self, parent: QObject | None = None, *, limit_bytes: int = 192_000_000) -> None:
        super().__init__(parent)
        self._limit_bytes = limit_bytes
        self._used_bytes = 0
        self._kept: OrderedDict[Path, QPixmap] = OrderedDict()
        self._unreadable: set[Path] = set()
        self._wishes: OrderedDict[Path, None] = OrderedDict()
        self._in_work: set[Path] = set()
        self._running = 0
        self._is_closed = False
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(_THREADS)
        self._pool.setThreadPriority(QThread.Priority.LowPriority)
        self._loaded.connect(self._keep, Qt.ConnectionType.QueuedConnection)

    @property
    def used_bytes(self) -> int:
        """Memory of all kept pixmaps."""
        return self._used_bytes

    def pixmap(self, file: Path) -> QPixmap | None:
        """The thumbnail, or None for now; then it is read and `ready` follows."""
        found = self._kept.get(file)
        if found is not None:
            self._kept.move_to_end(file)
            return found
        if file not in self._unreadable and file not in self._in_work and not self._is_closed:
            self._wishes[file] = None
            self._wishes.move_to_end(file)
            while len(self._wishes) > _MOST_WISHES:
                self._wishes.popitem(last=False)
            self._start()
        return None

    def has_failed(self, file: Path) -> bool:
        """Whether the file turned out to be unreadable."""
        return file in self._unreadable

    def forget_failures(self) -> None:
        """Try unreadable files again when they are asked for."""
        self._unreadable.clear()

    def close(self) -> None:
        """Stop reading; waits for the few files being read."""
        self._is_closed = True
        self._wishes.clear()
        self._pool.clear()
        self._pool.waitForDone()

    def _start(self) -> None:
        while self._wishes and self._running < _THREADS:
            files: list[Path] = []
            while self._wishes and len(files) < _FILES_AT_ONCE:
                files.append(self._wishes.popitem(last=True)[0])
            self._in_work.update(files)
            self._running += 1
            self._pool.start(lambda files=tuple(files): self._read(files))

    def _read(self, files: tuple[Path, ...]) -> None:
        """Runs on a thread of the pool; touches nothing but its arguments and a signal."""
        read = []
        for file in files:
            reader = QImageReader(str(file))
            image = reader.read()
            if not image.isNull() and image.format() != QImage.Format.Format_RGB32:
                image = image.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)
            read.append((file, image))
        self._loaded.emit(tuple(read))

    def _keep(self, read: tuple[tuple[Path, QImage], ...]) -> None:
        self._running -= 1
        for file, image in read:
            self._in_work.discard(file)
            if image.isNull():
                self._unreadable.add(file)
            elif file not in self._kept:
                pixmap = QPixmap.fromImage(image)
                self._kept[file] = pixmap
                self._used_bytes += _size(pixmap)
            self.ready.emit(file)
        while self._used_bytes > self._limit_bytes and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._used_bytes -= _size(dropped)
        if not self._is_closed:
            self._start()


def _size(pixmap: QPixmap) -> int:
    return pixmap.width() * pixmap.height() * _BYTES_PER_PIXEL
