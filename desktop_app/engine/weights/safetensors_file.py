"""Reads a safetensors file into memory of its own, checking its digest on the way.

The library maps the file instead: a model of 1 GB that is then laid out for speed would stand in memory
twice, and the digest would need a second pass. Source: the format's description (length of the header,
JSON header, then the numbers without gaps).
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

MAX_HEADER = 100_000_000  # the format's own limit
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


class DamagedFile(ValueError):  # noqa: N818  (read as a fact where it is raised)
    """The file does not hold what its header says."""


def read_safetensors(file: Path, *, with_digest: bool) -> tuple[dict[str, Tensor], str]:
    """All tensors, and the SHA-256 of the file as hexadecimal text (empty without `with_digest`).

    Raises:
        DamagedFile: It is no safetensors file, or is cut off.
        OSError: It cannot be read.
    """
    digest = hashlib.sha256() if with_digest else None
    tensors: dict[str, Tensor] = {}
    with file.open("rb") as handle:
        head, entries = _header(handle, file.stat().st_size)
        if digest is not None:
            digest.update(head)
        for name, entry in entries:
            values = _numbers(handle, entry)
            if digest is not None:
                digest.update(values.numpy().data)
            tensors[name] = values.view(DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors, "" if digest is None else digest.hexdigest()


def _header(handle: BinaryIO, total: int) -> tuple[bytes, list[tuple[str, dict[str, Any]]]]:
    """The bytes before the numbers, and the entries in their order in the file, checked."""
    start = handle.read(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > min(MAX_HEADER, total - 8):
        raise DamagedFile("its header is cut off")
    text = handle.read(length)
    try:
        content = json.loads(text)
        content.pop("__metadata__", None)
        entries = sorted(content.items(), key=lambda item: item[1]["data_offsets"])
        at = 0
        for _, entry in entries:
            first, end = entry["data_offsets"]
            size = math.prod(entry["shape"]) * DTYPES[entry["dtype"]].itemsize
            if first != at or end - first != size or any(n < 0 for n in entry["shape"]):
                raise DamagedFile("its table of contents is wrong")
            at = end
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFile("its header makes no sense") from error
    if 8 + length + at != total:
        raise DamagedFile("it is cut off")
    return start + text, entries


def _numbers(handle: BinaryIO, entry: dict[str, Any]) -> Tensor:
    """The bytes of one tensor."""
    first, end = entry["data_offsets"]
    values = torch.empty(end - first, dtype=torch.uint8)
    view = values.numpy().data
    done = 0
    while done < len(view):
        count = handle.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            raise DamagedFile("it is cut off")
        done += count
    return values
