"""Pictures of any folders as one array of small squares, decoded once and then read from disk's cache."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Generator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PillowImage
from torch import Tensor

from desktop_app.core.errors import ResourceError, UserInputError, display_path
from desktop_app.core.types import Image, Progress
from desktop_app.engine.embed.picture_file import picture_files, read_picture
from desktop_app.training.run_folder import Pace
from desktop_app.training.val_split import without_held_out

_log = logging.getLogger(__name__)

MIN_PICTURES = 2


class SmallPictures:
    """The pictures of a training.

    Args:
        pictures: (N, 3, S, S) uint8; squeezed into squares. May be mapped from a file.
        side_ratio: (N,) width over height before squeezing.
        left_out: Files that could not be read.
        files: Where each picture came from, where that is known.
        rows: Which pictures of the array there are, in their order; None: all.
    """

    def __init__(
        self,
        pictures: np.ndarray,
        side_ratio: np.ndarray,
        *,
        left_out: int = 0,
        files: Sequence[Path] = (),
        rows: np.ndarray | None = None,
    ) -> None:
        self._pictures = pictures
        self._rows = np.arange(len(pictures)) if rows is None else rows
        self._side_ratio = torch.from_numpy(np.ascontiguousarray(side_ratio, dtype=np.float32))
        self.left_out = left_out
        self.files = tuple(files)

    def __len__(self) -> int:
        return len(self._rows)

    def only(self, rows: Sequence[int]) -> SmallPictures:
        """Some of the pictures, without a copy."""
        chosen = np.asarray(rows, dtype=np.intp)
        return SmallPictures(
            self._pictures,
            self._side_ratio.numpy()[chosen],
            left_out=self.left_out,
            files=[self.files[row] for row in rows] if self.files else (),
            rows=self._rows[chosen],
        )

    def chosen(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, S, S) uint8 and their side ratios (B,)."""
        order = self._rows[rows.numpy()]
        return torch.from_numpy(self._pictures[order]), self._side_ratio[rows]


class EpochOrder:
    """Which pictures come next: each once in an epoch, in an order that follows from seed and position.

    Nothing needs to be stored to continue: the position says it all.

    Args:
        count: Pictures.
        batch: Pictures of one step; a last, smaller batch of an epoch is skipped.
        seed: Of the orders.
    """

    def __init__(self, count: int, *, batch: int, seed: int) -> None:
        if count < MIN_PICTURES:
            raise UserInputError(
                "At least two pictures are needed to compare them.", "Choose another folder."
            )
        self.batch = min(batch, count)
        self._count = count
        self._seed = seed
        self._steps = count // self.batch
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.long)

    def rows(self, step: int) -> Tensor:
        """Rows of the pictures of a step, counted from 0 over all epochs."""
        epoch, position = divmod(step, self._steps)
        if epoch != self._epoch:
            chance = torch.Generator().manual_seed(self._seed * 1_000_003 + epoch)
            self._order = torch.randperm(self._count, generator=chance)
            self._epoch = epoch
        return self._order[position * self.batch : (position + 1) * self.batch]


def load_pictures(
    folders: Sequence[Path], cache: Path, *, side: int
) -> Generator[Progress, None, SmallPictures]:
    """Decode all pictures below the folders but those of held-out people, or take them from a cache.

    Args:
        folders: Where the pictures are.
        cache: Folder for the array; used again when files and sizes are the same.
        side: Side of the stored squares.

    Yields:
        Progress, after each picture.

    Returns:
        The pictures; unreadable ones are left out, logged and counted.

    Raises:
        UserInputError: A folder is missing, or fewer than two pictures can be read.
        ResourceError: The cache cannot be written.
    """
    files = without_held_out(sorted({f for folder in folders for f in picture_files(folder)}), folders)
    mark = _mark(files, side)
    found = _from_cache(cache, mark, files)
    if found is not None:
        return found
    pace = Pace(0, len(files))
    try:
        cache.mkdir(parents=True, exist_ok=True)
        whole = cache / "pictures.npy"
        temporary = cache / "pictures.tmp"
        ratios: list[float] = []
        kept: list[int] = []
        with temporary.open("wb") as sink:
            for done, file in enumerate(files, start=1):
                try:
                    picture = read_picture(file, at_least_px=side)
                except UserInputError as error:
                    _log.info("picture left out: %s", error)
                else:
                    sink.write(_square(picture, side).tobytes())
                    ratios.append(picture.shape[1] / picture.shape[0])
                    kept.append(done - 1)
                yield pace.progress(done, "Reading pictures")
        if len(ratios) < MIN_PICTURES:
            names = ", ".join(display_path(folder) for folder in folders)
            raise UserInputError(
                f"There are not enough readable pictures in {names}.", "Choose another folder."
            )
        temporary.replace(whole)
        content = {"mark": mark, "side": side, "left_out": len(files) - len(ratios)}
        _write_index(cache, {**content, "side_ratio": ratios, "kept": kept})
    except OSError as error:
        raise ResourceError(
            f"The pictures could not be stored in {display_path(cache)}: {error.strerror}.",
            "Free some space.",
        ) from error
    stored = _from_cache(cache, mark, files)
    if stored is None:
        raise ResourceError(f"The stored pictures in {display_path(cache)} cannot be read back.")
    return stored


def _write_index(cache: Path, content: dict[str, object]) -> None:
    index = cache / "pictures.json.tmp"
    index.write_text(json.dumps(content), encoding="utf-8")
    index.replace(cache / "pictures.json")


def _from_cache(cache: Path, mark: str, files: Sequence[Path]) -> SmallPictures | None:
    try:
        content = json.loads((cache / "pictures.json").read_text(encoding="utf-8"))
        if content["mark"] != mark:
            return None
        side, ratios = int(content["side"]), np.asarray(content["side_ratio"], dtype=np.float32)
        shape = (len(ratios), 3, side, side)
        pictures = np.memmap(cache / "pictures.npy", dtype=np.uint8, mode="r", shape=shape)
        left_out = int(content["left_out"])
        # The mark says that the files are the same; a cache without the list left none of them out.
        kept = [files[row] for row in content["kept"]] if left_out else list(files)
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
    return SmallPictures(pictures, ratios, left_out=left_out, files=kept)


def _mark(files: Sequence[Path], side: int) -> str:
    digest = hashlib.sha256(f"1 {side}".encode())
    for file in files:
        try:
            stat = file.stat()
        except OSError:
            continue
        digest.update(
            f"{file.resolve()}|{stat.st_size}|{stat.st_mtime_ns}".encode("utf-8", "surrogateescape")
        )
    return digest.hexdigest()


def _square(picture: Image, side: int) -> Image:
    """(H, W, 3) -> (3, side, side), squeezed."""
    small = PillowImage.fromarray(picture).resize(
        (side, side), PillowImage.Resampling.BICUBIC, reducing_gap=3.0
    )
    return np.ascontiguousarray(np.asarray(small).transpose(2, 0, 1))
