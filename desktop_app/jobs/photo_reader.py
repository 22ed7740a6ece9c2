"""Read photos for the encoder, many at once and ahead of it, in a bounded pool of threads."""

from __future__ import annotations

import logging
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYetError
from dataclasses import dataclass
from pathlib import Path

from desktop_app.catalogue.decode import UnreadablePhotoError, decode_content, read_photo_file
from desktop_app.catalogue.duplicates import picture_signature
from desktop_app.catalogue.embedded_preview import embedded_preview
from desktop_app.catalogue.scanner import FileStamp
from desktop_app.catalogue.thumbnails import ThumbnailStore, content_digest
from desktop_app.core.settings import LibrarySettings
from desktop_app.core.types import Image
from desktop_app.jobs.services import Embedder

_log = logging.getLogger(__name__)

_MOST_THREADS = 8
# Waiting for one slow photo is interrupted this often, so that a search can be served.
_PATIENCE_S = 0.1
# A preview may be this much smaller than the network's input: 160 x 90, what a 16:9 photo has, for 96.
_PREVIEW_SHARE = 0.9
# A disk or network that gives files more slowly than this, on average over about ten: decoding them at once
# takes no longer than reading them a second time (an eighth of a 12-megapixel JPEG takes 30 ms).
_SLOW_READ_S = 0.03
_READS_REMEMBERED = 10


@dataclass(frozen=True, slots=True)
class ReadPhoto:
    """A photo ready for the encoder.

    Attributes:
        stamp: The file.
        digest: Digest of its content.
        width_px: Width of the upright picture.
        height_px: Height of the upright picture.
        signature: Of the picture, see `catalogue.duplicates`.
        prepared: Network input, (input_px, input_px, 3).
        is_preview: Signature and input are of the small picture inside the file, see `embedded_preview`.
    """

    stamp: FileStamp
    digest: bytes
    width_px: int
    height_px: int
    signature: bytes
    prepared: Image
    is_preview: bool = False


@dataclass(frozen=True, slots=True)
class KnownContent:
    """A file whose content is in the library already; no pixel of it was read."""

    stamp: FileStamp
    digest: bytes
    photo_id: int


@dataclass(frozen=True, slots=True)
class BadPhoto:
    """A file that cannot be used."""

    stamp: FileStamp
    reason: str
    is_lasting: bool
    is_gone: bool = False


Outcome = ReadPhoto | KnownContent | BadPhoto
ReadFile = Callable[[FileStamp, Mapping[bytes, int]], Outcome]


class PhotoReader:
    """Turns files into network inputs and thumbnails. `read` and `read_soon` may be called from any thread.

    Args:
        embedder: Whose inputs are made.
        settings: Limits and thumbnail size.
        thumbnails: Where thumbnails go.
    """

    def __init__(self, embedder: Embedder, settings: LibrarySettings, *, thumbnails: ThumbnailStore) -> None:
        self._embedder = embedder
        self._settings = settings
        self._thumbnails = thumbnails
        self._read_s = 0.0  # running mean; threads may overwrite each other's, which does no harm

    def read(self, stamp: FileStamp, known: Mapping[bytes, int]) -> Outcome:
        """Read one file.

        Args:
            stamp: The file.
            known: Contents that need no decoding, with a photo that has them.

        Raises:
            ResourceError: The thumbnail cannot be written.
        """
        return self._read(stamp, known, self._read_whole)

    def read_soon(self, stamp: FileStamp, known: Mapping[bytes, int]) -> Outcome:
        """Read one file by the small picture inside where that pays for now, else as `read` does."""
        is_slow = self._read_s > _SLOW_READ_S
        return self._read(stamp, known, self._read_whole if is_slow else self._read_preview)

    def _read(
        self,
        stamp: FileStamp,
        known: Mapping[bytes, int],
        look: Callable[[FileStamp, bytes, bytes], ReadPhoto],
    ) -> Outcome:
        try:
            began = time.monotonic()
            content = read_photo_file(stamp.path)
            self._read_s += (time.monotonic() - began - self._read_s) / _READS_REMEMBERED
            digest = content_digest(content)
            if digest in known:
                return KnownContent(stamp, digest, known[digest])
            return look(stamp, content, digest)
        except UnreadablePhotoError as error:
            is_gone = not error.is_lasting and not os.path.lexists(stamp.path)
            return BadPhoto(stamp, error.reason, error.is_lasting, is_gone)

    def _read_whole(self, stamp: FileStamp, content: bytes, digest: bytes) -> ReadPhoto:
        image, size, prepared = self.decode(content, stamp.path)
        self._thumbnails.write(digest, image, longer_side_px=self._settings.thumbnail_px)
        return ReadPhoto(stamp, digest, *size, picture_signature(image), prepared)

    def _read_preview(self, stamp: FileStamp, content: bytes, digest: bytes) -> ReadPhoto:
        preview = embedded_preview(
            content,
            at_least_px=math.ceil(_PREVIEW_SHARE * self._embedder.input_px),
            max_megapixels=self._settings.max_megapixels,
        )
        if preview is None:
            return self._read_whole(stamp, content, digest)
        try:
            prepared = self.prepare(preview.image, stamp.path)
        except UnreadablePhotoError:  # the reason has to name the photo's own size
            return self._read_whole(stamp, content, digest)
        if not self._thumbnails.path_of(digest).exists():  # never in place of a sharp one
            self._thumbnails.write(digest, preview.image, longer_side_px=self._settings.thumbnail_px)
        size = preview.width_px, preview.height_px
        return ReadPhoto(stamp, digest, *size, picture_signature(preview.image), prepared, is_preview=True)

    def decode(self, content: bytes, path: Path | None) -> tuple[Image, tuple[int, int], Image]:
        """Decode a file's content as the index does.

        Returns:
            The picture, possibly reduced; width and height of the full one; the network input.

        Raises:
            UnreadablePhotoError: It is no usable picture.
        """
        at_least_px = max(self._embedder.input_px, self._settings.thumbnail_px)
        photo = decode_content(
            content, path=path, max_megapixels=self._settings.max_megapixels, at_least_px=at_least_px
        )
        return photo.image, (photo.width_px, photo.height_px), self.prepare(photo.image, path)

    def prepare(self, image: Image, path: Path | None) -> Image:
        """The network input of a picture.

        Raises:
            UnreadablePhotoError: The picture has a shape that cannot be brought to the input's.
        """
        try:
            return self._embedder.prepare(image)
        except (ValueError, ArithmeticError, OSError, MemoryError) as error:
            _log.debug("the encoder cannot take a picture: %r", error)
            height, width = image.shape[:2]
            reason = f"Its shape, {width} × {height}, cannot be used by the encoder."
            raise UnreadablePhotoError(path, reason) from error


def read_ahead(
    read: ReadFile, stamps: Sequence[FileStamp], *, known: Mapping[bytes, int], threads: int, ahead: int
) -> Iterator[Outcome | None]:
    """Read files in their order, some in advance.

    Args:
        read: Reads one file; called on several threads.
        stamps: The files.
        known: Contents that need no decoding; may grow meanwhile.
        threads: Files read at once; 0 chooses.
        ahead: Outcomes kept in memory at most.

    Yields:
        One outcome a file, and None whenever the next one takes its time.

    Raises:
        ResourceError: A thumbnail cannot be written.
    """
    count = threads or min(_MOST_THREADS, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(count, thread_name_prefix="decode")
    waiting: deque[Future[Outcome]] = deque()
    try:
        rest = iter(stamps)
        for stamp in rest:
            waiting.append(pool.submit(read, stamp, known))
            if len(waiting) >= max(ahead, count):
                break
        while waiting:
            try:
                outcome = waiting[0].result(timeout=_PATIENCE_S)
            except NotYetError:
                yield None
                continue
            waiting.popleft()
            if (stamp_or_none := next(rest, None)) is not None:
                waiting.append(pool.submit(read, stamp_or_none, known))
            yield outcome
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
