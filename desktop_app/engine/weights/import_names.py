"""The names that a foreign weights file may mention, and the inert value that each one stands for.

Everything PyTorch, NumPy and NVIDIA's networks write for tensors and plain containers is here; any
other name ends the import. No entry runs code of the file or imports a module of its choice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from desktop_app.engine.weights.import_values import (
    ITEM_BYTES,
    ImportRefused,
    Name,
    Record,
    Storage,
    TensorRef,
    row_major,
)
from desktop_app.engine.weights.unpickler import Names, checked_key

PERSISTENT = "torch_utils.persistence"  # NVIDIA's classes that carry their own source code
TF_NETWORK = "dnnlib.tflib.network.Network"
NAMESPACE = "argparse.Namespace"

Arguments = tuple[object, ...]

STORAGE_TYPES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "UntypedStorage": "uint8",
}
_NUMPY_CODES = {
    "f8": "float64",
    "f4": "float32",
    "f2": "float16",
    "i8": "int64",
    "i4": "int32",
    "i2": "int16",
    "i1": "int8",
    "u1": "uint8",
    "b1": "bool",
}
_SCALARS = {"f8": "d", "f4": "f", "f2": "e", "i8": "q", "i4": "i", "i2": "h", "i1": "b", "u1": "B", "b1": "?"}


def _fail(what: str = "a value") -> ImportRefused:
    return ImportRefused(f"is damaged: {what} has impossible contents", "Download the file again.")


# --- numpy --------------------------------------------------------------------------------------


class NumpyType:
    """A `numpy.dtype` of plain numbers."""

    def __init__(self, code: str) -> None:
        if code[:1] in "<=|":
            code = code[1:]
        if code not in _NUMPY_CODES:
            raise ImportRefused(f"holds NumPy values that are no plain numbers ('{code[:20]}')")
        self.code = code

    @property
    def dtype(self) -> str:
        """Key of `ITEM_BYTES`."""
        return _NUMPY_CODES[self.code]

    def build(self, state: object) -> None:
        """Check the pickled state: plain numbers, little-endian, no fields."""
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in ("<", "=", "|", b"<", b"|"):
            raise ImportRefused("holds NumPy values of an unusual byte order")
        if any(part is not None for part in state[2:5]):
            raise ImportRefused("holds NumPy values that are no plain numbers")


class NumpyArray:
    """An array while it is read; `tensor` is valid after `build`."""

    def __init__(self) -> None:
        self._tensor: TensorRef | None = None

    @property
    def tensor(self) -> TensorRef:
        """The numbers."""
        if self._tensor is None:
            raise _fail("a NumPy array")
        return self._tensor

    def build(self, state: object) -> None:
        """Take shape, kind and bytes from the pickled state."""
        if not isinstance(state, tuple) or len(state) != 5:
            raise _fail("a NumPy array")
        _version, shape, kind, is_fortran, data = state
        if not isinstance(kind, NumpyType) or not isinstance(data, (bytes, memoryview)):
            raise ImportRefused("holds NumPy values that are no plain numbers")
        self._tensor = numpy_tensor(kind, shape, data, is_fortran=bool(is_fortran))


def numpy_tensor(
    kind: NumpyType, shape: object, data: bytes | bytearray | memoryview, *, is_fortran: bool
) -> TensorRef:
    """A tensor of an array's bytes."""
    sizes = _sizes(shape)
    stride = row_major(sizes[::-1])[::-1] if is_fortran else row_major(sizes)
    view = memoryview(bytearray(data)) if isinstance(data, bytes) else memoryview(data)
    storage = Storage(kind.dtype, len(view) // ITEM_BYTES[kind.dtype])
    storage.fill(view)
    return TensorRef(storage, 0, sizes, stride)


def as_tensor(value: object) -> TensorRef | None:
    """The tensor that a value of the file is, if it is one."""
    if isinstance(value, NumpyArray):
        return value.tensor
    return value if isinstance(value, TensorRef) else None


def _sizes(value: object) -> tuple[int, ...]:
    if not isinstance(value, (tuple, list)) or any(type(n) is not int or n < 0 for n in value):
        raise _fail("a tensor")
    return tuple(value)


def _numpy_type(arguments: Arguments) -> NumpyType:
    code = arguments[0]
    if not isinstance(code, str):
        raise ImportRefused("holds NumPy values that are no plain numbers")
    return NumpyType(code)


def _numpy_scalar(arguments: Arguments) -> object:
    import struct

    kind, data = arguments
    if not isinstance(kind, NumpyType) or not isinstance(data, (bytes, memoryview)):
        raise ImportRefused("holds NumPy values that are no plain numbers")
    return struct.unpack("<" + _SCALARS[kind.code], data)[0]


def _numpy_reconstruct(arguments: Arguments) -> NumpyArray:
    if arguments[0] != Name("numpy", "ndarray"):
        raise ImportRefused("holds NumPy values that are no plain arrays")
    return NumpyArray()


def _numpy_from_buffer(arguments: Arguments) -> TensorRef:
    data, kind, shape, order = arguments
    if not isinstance(kind, NumpyType) or not isinstance(data, (bytes, memoryview)):
        raise ImportRefused("holds NumPy values that are no plain numbers")
    return numpy_tensor(kind, shape, data, is_fortran=order == "F")


# --- torch --------------------------------------------------------------------------------------


def _rebuild_tensor(arguments: Arguments) -> TensorRef:
    storage, offset, shape, stride = arguments[:4]
    if not isinstance(storage, Storage):
        raise _fail("a tensor")
    return TensorRef(storage, cast(int, offset), _sizes(shape), _sizes(stride))


def _rebuild_parameter(arguments: Arguments) -> object:
    if not isinstance(arguments[0], TensorRef):
        raise _fail("a tensor")
    return arguments[0]


def _rebuild_typed(arguments: Arguments) -> object:
    """A tensor with attributes: (function, type, arguments, state); the attributes are left out."""
    function, _kind, inner, _state = arguments
    if not isinstance(function, Name) or not isinstance(inner, tuple):
        raise _fail("a tensor")
    build = _TENSOR_BUILDERS.get((function.module, function.name))
    if build is None:
        raise ImportRefused(f"asks to call '{function}', which builds no tensor; nothing of it was run")
    return build(inner)


def _size(arguments: Arguments) -> tuple[int, ...]:
    return _sizes(arguments[0])


_TENSOR_BUILDERS: Names = {
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
}


# --- containers ---------------------------------------------------------------------------------


def _mapping(arguments: Arguments) -> dict[object, object]:
    """A dictionary, from nothing or from pairs."""
    pairs = arguments[0] if arguments else ()
    if isinstance(pairs, dict):
        return dict(pairs)
    if not isinstance(pairs, (list, tuple)):
        raise _fail("a dictionary")
    found: dict[object, object] = {}
    for pair in pairs:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise _fail("a dictionary")
        found[checked_key(pair[0])] = pair[1]
    return found


def _empty_mapping(_arguments: Arguments) -> dict[object, object]:
    """A `defaultdict`: its factory is not kept."""
    return {}


def _set(arguments: Arguments) -> object:
    items = arguments[0] if arguments else ()
    if not isinstance(items, (list, tuple, set, frozenset)):
        raise _fail("a set")
    return {checked_key(item) for item in items}


def _path(arguments: Arguments) -> str:
    if not all(isinstance(part, str) for part in arguments):
        raise _fail("a path")
    return "/".join(cast(tuple[str, ...], arguments))


def _encoded(arguments: Arguments) -> bytes:
    text, encoding = arguments
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise _fail("a text")
    return text.encode("latin-1")


def _described(arguments: Arguments) -> str:
    return ":".join(str(part) for part in arguments if isinstance(part, (str, int)))


def _record(kind: str) -> Callable[[Arguments], Record]:
    return lambda _arguments: Record(kind)


def _persistent_object(arguments: Arguments) -> Record:
    """An object of NVIDIA's networks: class name and fields; its source code is not looked at."""
    meta = arguments[0]
    if not isinstance(meta, dict) or not isinstance(meta.get("state"), dict):
        raise _fail("a network")
    return Record(f"{PERSISTENT}:{meta.get('class_name', '')}", dict(meta["state"]))


def _reconstructed(arguments: Arguments) -> object:
    """`copyreg`'s way to make an object of a class, here of a class of this table."""
    kind = arguments[0]
    if not isinstance(kind, Name):
        raise _fail("an object")
    build = NAMES[kind.module, kind.name]
    if build is None:
        raise ImportRefused(f"asks to make '{kind}', which is no container; nothing of it was run")
    return build(())


def with_storages(load_from_bytes: Callable[[Arguments], object]) -> Names:
    """The table, with an answer for storages that are pickled inside of a pickle.

    Args:
        load_from_bytes: Reads such a storage.
    """
    return {**NAMES, ("torch.storage", "_load_from_bytes"): load_from_bytes}


NAMES: Names = {
    **_TENSOR_BUILDERS,
    ("torch._tensor", "_rebuild_from_type_v2"): _rebuild_typed,
    ("torch.nn.parameter", "Parameter"): None,
    ("torch", "Tensor"): None,
    ("torch", "Size"): _size,
    ("torch", "device"): _described,
    **{("torch", dtype): None for dtype in (*ITEM_BYTES, "strided", "half", "float", "long")},
    **{("torch", name): None for name in STORAGE_TYPES},
    ("torch.storage", "UntypedStorage"): None,
    ("collections", "OrderedDict"): _mapping,
    ("collections", "Counter"): _mapping,
    ("collections", "defaultdict"): _empty_mapping,
    ("builtins", "dict"): _mapping,
    ("builtins", "set"): _set,
    ("builtins", "frozenset"): _set,
    ("builtins", "object"): None,
    ("builtins", "list"): None,
    ("builtins", "int"): None,
    ("__builtin__", "set"): _set,
    ("__builtin__", "object"): None,
    ("copyreg", "_reconstructor"): _reconstructed,
    ("copy_reg", "_reconstructor"): _reconstructed,
    ("_codecs", "encode"): _encoded,
    ("argparse", "Namespace"): _record(NAMESPACE),
    ("pathlib", "PosixPath"): _path,
    ("pathlib", "WindowsPath"): _path,
    ("pathlib", "PurePosixPath"): _path,
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): _numpy_type,
    **{(f"numpy.{core}.multiarray", "scalar"): _numpy_scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _numpy_reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _numpy_from_buffer for core in ("core", "_core")},
    ("dnnlib.util", "EasyDict"): _mapping,
    ("dnnlib", "EasyDict"): _mapping,
    ("dnnlib.tflib.network", "Network"): _record(TF_NETWORK),
    (PERSISTENT, "_reconstruct_persistent_obj"): _persistent_object,
}
