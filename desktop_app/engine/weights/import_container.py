"""Opens a foreign weights file: which container it is, and what stands in it.

PyTorch's zip layout and its older one, plain pickles (NVIDIA), `.npy` and `.npz`. The file is mapped, not
read; every size that a header states is checked against the bytes that are there.
"""

from __future__ import annotations

import ast
import mmap
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from desktop_app.engine.weights.import_names import (
    NAMES,
    STORAGE_TYPES,
    Arguments,
    NumpyType,
    numpy_tensor,
    with_storages,
)
from desktop_app.engine.weights.import_values import ITEM_BYTES, ImportRefused, Name, Storage, TensorRef
from desktop_app.engine.weights.unpickler import Unpickler, cut_off

MAX_ZIP_ENTRIES = 100_000
MAX_STRUCTURE_BYTES = 1 << 26
MAX_NPZ_BYTES = 1 << 28
MAX_NPY_HEADER = 4096
# What an older PyTorch file begins with (torch.serialization.MAGIC_NUMBER).
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_ZIP_LOCAL_HEADER = 30

_AGAIN = "Download the file again."
_DRIVE = (
    "Google Drive sends such a page when a file was fetched too often or needs a confirmation: open the "
    "link in a browser and download it there."
)


@dataclass(frozen=True, eq=False, slots=True)
class Content:
    """What stands in a file.

    Attributes:
        root: The top-level value: dictionaries, lists, plain values, tensors, records.
        container: `torch`, `pickle`, `npy` or `npz`.
        release: Gives back the memory of what was read so far; it is read again when it is needed.
    """

    root: object
    container: str
    release: Callable[[], None] = lambda: None


def check_head(file: Path) -> None:
    """Refuse what can be told from the first bytes: no file, an empty one, a web page, an archive.

    Raises:
        ImportRefused: It is no weights file.
        OSError: It cannot be read.
    """
    if file.is_dir():
        raise ImportRefused("is a folder, not a weights file", "Choose the file inside of it.")
    if not file.exists():
        raise ImportRefused("is not there", "Check the path.")
    if not file.is_file():
        raise ImportRefused("is no ordinary file", "Choose a weights file.")
    with file.open("rb") as handle:
        head = handle.read(512)
    _container(head)


def read_content(file: Path) -> Content:
    """Read the structure of a weights file; tensors stay where they are.

    Raises:
        ImportRefused: It is no weights file, is damaged, or asks for what weights do not need.
        OSError: It cannot be read.
    """
    check_head(file)
    with file.open("rb") as handle:
        # A private copy-on-write mapping: tensors may be views of it, the file never changes.
        mapping = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_COPY)
    data = memoryview(mapping)
    kind = _container(bytes(data[:512]))
    if kind == "zip":
        content = _read_zip(file, data)
    elif kind == "npy":
        content = Content(read_npy(data), "npy")
    else:
        content = _read_pickle(data)
    return replace(content, release=partial(_release, mapping))


def _release(mapping: mmap.mmap) -> None:
    if sys.platform == "linux":  # elsewhere the advice is not taken, or is none
        mapping.madvise(mmap.MADV_DONTNEED)


def _container(head: bytes) -> str:
    if not head:
        raise ImportRefused("is empty", _AGAIN)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<script")):
        raise ImportRefused("is a web page, not a weights file: the download failed", _DRIVE)
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    if head[0] == 0x80 and len(head) > 1 and 2 <= head[1] <= 5:
        return "pickle"
    if head.startswith((b"\x1f\x8b", b"BZh", b"7z\xbc\xaf", b"\xfd7zXZ", b"Rar!")):
        raise ImportRefused("is a packed archive", "Unpack it and import the weights file inside.")
    if head[8:9] == b"{":
        raise ImportRefused(
            "is a safetensors file without a model card", "Copy it with its card into the model folder."
        )
    raise ImportRefused("is no weights file of a kind that is known here")


# --- pickles and the older PyTorch layout -------------------------------------------------------


def _read_pickle(data: memoryview) -> Content:
    value, end = Unpickler(data, with_storages(_nested_storage)).load()
    if value != _LEGACY_MAGIC:
        return Content(value, "pickle")
    root, end = _read_legacy(data, end)
    if end != len(data):
        raise ImportRefused("is damaged: it has more at its end than it should", _AGAIN)
    return Content(root, "torch")


def _nested_storage(arguments: Arguments) -> object:
    """A storage that PyTorch pickled as a small file of its own; one level, no deeper."""
    data = arguments[0]
    if not isinstance(data, (bytes, memoryview)):
        raise ImportRefused("is damaged: a tensor has impossible contents", _AGAIN)
    view = memoryview(bytearray(data)) if isinstance(data, bytes) else data
    value, end = Unpickler(view, {}).load()
    if value != _LEGACY_MAGIC:
        raise ImportRefused("hides another pickle where a tensor should be; nothing of it was run")
    root, _ = _read_legacy(view, end)
    if not isinstance(root, Storage):
        raise ImportRefused("hides something else where a tensor should be; nothing of it was run")
    return root


def _read_legacy(data: memoryview, start: int) -> tuple[object, int]:
    """The layout before PyTorch 1.6: four more pickles, then the numbers, storage after storage."""
    storages: dict[str, Storage] = {}

    def storage_of(reference: object) -> Storage:
        kind, key, numel, view = _reference(reference, parts=6)
        if view is not None:
            raise ImportRefused("uses a form of PyTorch's oldest files that is not read here")
        return _known_storage(storages, key, Storage(kind, numel))

    protocol, at = Unpickler(data, {}).load(start)
    system, at = Unpickler(data, {}).load(at)
    if protocol != _LEGACY_PROTOCOL or not isinstance(system, dict):
        raise ImportRefused("is damaged: its beginning makes no sense", _AGAIN)
    if system.get("little_endian") is not True:
        raise ImportRefused("was written on a machine of another byte order")
    root, at = Unpickler(data, NAMES, storage_of).load(at)
    keys, at = Unpickler(data, {}).load(at)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ImportRefused("is damaged: its table of tensors makes no sense", _AGAIN)
    for key in keys:
        storage = storages.get(key)
        if storage is None:
            raise ImportRefused("is damaged: its table of tensors makes no sense", _AGAIN)
        body = at + 8
        end = body + storage.nbytes
        if end > len(data):
            raise cut_off()
        if int.from_bytes(data[at:body], "little") != storage.numel:
            raise ImportRefused("is damaged: a tensor has another size than stated", _AGAIN)
        storage.fill(data[body:end])
        at = end
    return root, at


def _reference(reference: object, *, parts: int) -> tuple[str, str, int, object]:
    """Kind, key, count and view of a reference to a storage."""
    if isinstance(reference, tuple) and reference[:1] == ("module",):
        raise ImportRefused(
            "was saved as a whole program object, not as weights",
            "Ask its author for a file with the state dict.",
        )
    if not isinstance(reference, tuple) or len(reference) not in (5, parts) or reference[0] != "storage":
        raise ImportRefused("is damaged: a tensor refers to nothing", _AGAIN)
    kind, key, numel = reference[1], reference[2], reference[4]
    if not isinstance(kind, Name) or kind.name not in STORAGE_TYPES or not isinstance(key, str):
        raise ImportRefused("is damaged: a tensor refers to nothing", _AGAIN)
    view = reference[5] if len(reference) > 5 else None
    return STORAGE_TYPES[kind.name], key, numel, view


def _known_storage(storages: dict[str, Storage], key: str, fresh: Storage) -> Storage:
    known = storages.setdefault(key, fresh)
    if (known.dtype, known.numel) != (fresh.dtype, fresh.numel):
        raise ImportRefused("is damaged: two tensors disagree about the same numbers", _AGAIN)
    return known


# --- zip: PyTorch's layout and .npz ---------------------------------------------------------------


def _read_zip(file: Path, data: memoryview) -> Content:
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_ZIP_ENTRIES:
                raise ImportRefused("has far more parts than a weights file")
            names = [entry.filename for entry in entries]
            if any(name.endswith(".npy") for name in names):
                return Content(_read_npz(archive, entries), "npz")
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError) as error:
        raise cut_off() from error
    except (NotImplementedError, RuntimeError, zipfile.LargeZipFile) as error:
        raise ImportRefused("is a packed archive of a kind that is not read here") from error
    pickles = [name for name in names if name.rpartition("/")[2] == "data.pkl"]
    if any(name.rpartition("/")[2] == "constants.pkl" for name in names):
        raise ImportRefused(
            "is a TorchScript program, not a weights file", "Ask its author for a file with the state dict."
        )
    if len(pickles) != 1:
        raise ImportRefused("is an archive without weights", "Unpack it and import the weights file inside.")
    return _read_torch_zip(data, entries, pickles[0])


def _read_torch_zip(data: memoryview, entries: list[zipfile.ZipInfo], pickle_name: str) -> Content:
    prefix = pickle_name.removesuffix("data.pkl")
    _check_entries(entries, len(data))
    places = {entry.filename: entry for entry in entries}
    order = places.get(prefix + "byteorder")
    if order is not None and bytes(_entry_bytes(data, order)) != b"little":
        raise ImportRefused("was written on a machine of another byte order")
    if places[pickle_name].file_size > MAX_STRUCTURE_BYTES:
        raise ImportRefused("has far more parts than a weights file")
    storages: dict[str, Storage] = {}

    def storage_of(reference: object) -> Storage:
        kind, key, numel, _ = _reference(reference, parts=5)
        storage = _known_storage(storages, key, Storage(kind, numel))
        if storage.data is None:
            entry = places.get(f"{prefix}data/{key}")
            if entry is None:
                raise ImportRefused("is damaged: a tensor has no numbers", _AGAIN)
            storage.fill(_entry_bytes(data, entry))
        return storage

    structure = _entry_bytes(data, places[pickle_name])
    root, _ = Unpickler(structure, NAMES, storage_of).load()
    return Content(root, "torch")


def _check_entries(entries: list[zipfile.ZipInfo], total: int) -> None:
    """PyTorch never packs its entries: a packed one is a sign of a bomb or of a repacked file."""
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise ImportRefused(
                "is packed as PyTorch never packs weights: it could grow without limit when unpacked",
                "Use the file as it was published.",
            )
        if entry.flag_bits & 0x1:
            raise ImportRefused("is encrypted")
    if sum(entry.file_size for entry in entries) > total:
        raise ImportRefused("claims to hold more than its own size", _AGAIN)


def _entry_bytes(data: memoryview, entry: zipfile.ZipInfo) -> memoryview:
    header = data[entry.header_offset : entry.header_offset + _ZIP_LOCAL_HEADER]
    if len(header) < _ZIP_LOCAL_HEADER or bytes(header[:4]) != b"PK\x03\x04":
        raise ImportRefused("is damaged: its table of contents is wrong", _AGAIN)
    lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    start = entry.header_offset + _ZIP_LOCAL_HEADER + lengths
    if start + entry.file_size > len(data):
        raise cut_off()
    return data[start : start + entry.file_size]


def _read_npz(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> dict[object, object]:
    arrays: dict[object, object] = {}
    left = MAX_NPZ_BYTES
    for entry in entries:
        if not entry.filename.endswith(".npy"):
            continue
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ImportRefused("is packed as NumPy never packs arrays")
        # The stated size is not believed: no more than the limit is ever unpacked.
        with archive.open(entry) as part:
            data = part.read(min(left, entry.file_size) + 1)
        if len(data) > min(left, entry.file_size):
            raise ImportRefused(
                f"unpacks to more than {MAX_NPZ_BYTES >> 20} MB, far more than directions need"
            )
        left -= len(data)
        arrays[entry.filename.removesuffix(".npy")] = read_npy(memoryview(bytearray(data)))
    return arrays


def read_npy(data: memoryview) -> TensorRef:
    """The array of a `.npy` file; objects are refused.

    Source: the format's description in `numpy.lib.format`.
    """
    width = 2 if data[6] == 1 else 4
    length = int.from_bytes(data[8 : 8 + width], "little")
    start = 8 + width + length
    if length > MAX_NPY_HEADER:
        raise ImportRefused("is damaged: its header is far too long", _AGAIN)
    if start > len(data):
        raise cut_off()
    try:
        header = ast.literal_eval(str(data[8 + width : start], "latin-1").strip())
        code, is_fortran, shape = header["descr"], header["fortran_order"], header["shape"]
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError) as error:
        raise ImportRefused("is damaged: its header makes no sense", _AGAIN) from error
    if not isinstance(code, str) or not isinstance(shape, tuple):
        raise ImportRefused("holds NumPy values that are no plain numbers")
    kind = NumpyType(code)
    body = data[start:]
    if len(body) % ITEM_BYTES[kind.dtype]:
        raise cut_off()
    return numpy_tensor(kind, shape, body, is_fortran=bool(is_fortran))
