"""Small pictures on disk, one per content digest, so that identical photos share one."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import threading
from collections.abc import Collection
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from desktop_app.core.errors import ResourceError
from desktop_app.core.types import Image

_QUALITY = 85
_DIGEST_BYTES = 16


def content_digest(content: bytes) -> bytes:
    """What tells contents apart: 16 bytes of BLAKE2b over the whole file."""
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()


def shrink(image: Image, longer_side_px: int) -> Image:
    """A copy whose longer side has at most `longer_side_px` pixels, at least 1 by 1."""
    small = _shrunk(image, longer_side_px)
    return np.array(small, dtype=np.uint8, order="C")


class ThumbnailStore:
    """Thumbnails below one folder. `write` may be called from any thread.

    Args:
        folder: Where they lie; made when the first is written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path_of(self, digest: bytes) -> Path:
        """Where the thumbnail of a content lies, or would lie."""
        key = digest.hex()
        return self._folder / key[:2] / f"{key[2:]}.jpg"

    def known(self) -> set[bytes]:
        """Digests that have a thumbnail."""
        found: set[bytes] = set()
        try:
            shards = [entry for entry in os.scandir(self._folder) if len(entry.name) == 2]
        except OSError:
            return found
        for shard in shards:
            with contextlib.suppress(OSError), os.scandir(shard.path) as files:
                for file in files:
                    if file.name.endswith(".jpg"):
                        with contextlib.suppress(ValueError):
                            found.add(bytes.fromhex(shard.name + file.name[:-4]))
        return found

    def write(self, digest: bytes, image: Image, *, longer_side_px: int) -> None:
        """Make the thumbnail of a content; written to a temporary file and renamed.

        Raises:
            ResourceError: The disk is full or not writable.
        """
        buffer = io.BytesIO()
        _shrunk(image, longer_side_px).save(buffer, "JPEG", quality=_QUALITY)
        target = self.path_of(digest)
        temporary = target.with_suffix(f".{os.getpid()}-{threading.get_ident()}.tmp")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(buffer.getvalue())
            temporary.replace(target)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise ResourceError(
                f"A thumbnail could not be written: {error.strerror or error}.",
                "Free some space on the disk of the library and index again; nothing is lost.",
            ) from error

    def remove(self, digests: Collection[bytes]) -> None:
        """Delete thumbnails; those that are gone already are passed over."""
        for digest in digests:
            with contextlib.suppress(OSError):
                self.path_of(digest).unlink()


def _shrunk(image: Image, longer_side_px: int) -> PillowImage.Image:
    picture = PillowImage.fromarray(image)
    scale = longer_side_px / max(picture.size)
    if scale >= 1:
        return picture
    target = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(target, PillowImage.Resampling.BICUBIC, reducing_gap=2.0)
