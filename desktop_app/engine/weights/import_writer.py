"""Writes a converted model tensor by tensor, so that no copy of the whole is ever in memory.

Source: the safetensors format (length of the header, JSON header, then the numbers without gaps).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from desktop_app.engine.weights.import_values import ImportRefused, LazyTensor

MAX_BYTES = 8 << 30
# Numbers a tensor of the written file has per step of the check for impossible values.
_CHUNK = 1 << 24
_ALIGNMENT = 8
_FLOAT_BYTES, _COUNTER_BYTES = 4, 8


@dataclass(frozen=True, slots=True)
class Written:
    """A finished file."""

    sha256: str
    bytes: int


def write_safetensors(
    file: Path, tensors: Mapping[str, LazyTensor], *, on_part: Callable[[int, int], None]
) -> Written:
    """Write tensors as float32 (counters as int64) and check every number.

    Args:
        file: Where to; must not exist.
        tensors: Names and values.
        on_part: Told the bytes written so far and in all.

    Raises:
        ImportRefused: A value is no number, or the whole is far too large.
        OSError: The file cannot be written.
    """
    # Large tensors first would save nothing; sorted names make the file the same each time.
    order = sorted(tensors)
    header, total = _header(tensors, order)
    digest = hashlib.sha256(header)
    done = len(header)
    with file.open("xb") as handle:
        handle.write(header)
        for name in order:
            values = checked_values(name, tensors[name])
            part = values.reshape(-1).view(torch.uint8).numpy().data
            handle.write(part)
            digest.update(part)
            done += len(part)
            on_part(done, total)
    return Written(digest.hexdigest(), done)


def checked_values(name: str, tensor: LazyTensor) -> Tensor:
    """The values of one tensor as they are written.

    Raises:
        ImportRefused: Some are not finite, or it is not of the stated size.
    """
    values = tensor.load()
    if tuple(values.shape) != tensor.shape:
        raise ImportRefused(f"is damaged: '{name}' has another size than stated")
    if not _is_float(name):
        return values.to(torch.int64).contiguous()
    values = values.to(torch.float32).contiguous()
    flat = values.reshape(-1)
    for start in range(0, flat.numel(), _CHUNK):
        if not bool(flat[start : start + _CHUNK].isfinite().all()):
            raise ImportRefused(
                f"holds values that are no numbers (in '{name[:80]}')",
                "Its training failed or the file is damaged.",
            )
    return values


def _is_float(name: str) -> bool:
    return not name.endswith("num_batches_tracked")


def _header(tensors: Mapping[str, LazyTensor], order: list[str]) -> tuple[bytes, int]:
    entries: dict[str, object] = {}
    at = 0
    for name in order:
        size = math.prod(tensors[name].shape) * (_FLOAT_BYTES if _is_float(name) else _COUNTER_BYTES)
        entries[name] = {
            "dtype": "F32" if _is_float(name) else "I64",
            "shape": list(tensors[name].shape),
            "data_offsets": [at, at + size],
        }
        at += size
        if at > MAX_BYTES:
            raise ImportRefused(f"describes a model of more than {MAX_BYTES >> 30} GB")
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    header = len(text).to_bytes(8, "little") + text
    return header, len(header) + at
