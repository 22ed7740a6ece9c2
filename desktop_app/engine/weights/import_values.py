"""What a foreign weights file may contain once it is read: inert values, never objects of its own.

A tensor of a file is a `TensorRef`: a place in the mapped file with a shape, checked against the
bytes that are there. Nothing is read before `load` is called.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

ITEM_BYTES = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint8": 1,
    "bool": 1,
}
MAX_DIMENSIONS = 8


class ImportRefused(Exception):  # noqa: N818  (read as a sentence where it is raised)
    """The file will not be imported.

    Args:
        reason: Ends the sentence that begins with the file's name: "is cut off".
        hint: What the user can do about it, or an empty string.
    """

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class LazyTensor(Protocol):
    """A tensor that is computed when asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes."""
        ...

    def load(self) -> Tensor:
        """The values; a view of the file where possible: not to be changed."""
        ...


@dataclass(frozen=True, slots=True)
class Name:
    """A name that the file mentions; never looked up in any module."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False, slots=True)
class Storage:
    """A stretch of numbers in the file.

    Attributes:
        dtype: Key of `ITEM_BYTES`.
        numel: Numbers.
        data: The bytes, exactly as many as the numbers need; None until they were found.
    """

    dtype: str
    numel: int
    data: memoryview | bytearray | None = None

    def __post_init__(self) -> None:
        if self.dtype not in ITEM_BYTES:
            raise ImportRefused(f"holds numbers of a kind that weights do not have ({self.dtype})")
        if type(self.numel) is not int or self.numel < 0:
            raise ImportRefused("is damaged: a tensor has an impossible size")

    @property
    def nbytes(self) -> int:
        """Bytes of all numbers."""
        return self.numel * ITEM_BYTES[self.dtype]

    def fill(self, data: memoryview | bytearray) -> None:
        """Attach the bytes.

        Raises:
            ImportRefused: There are more or fewer than the numbers need.
        """
        if len(data) != self.nbytes:
            raise ImportRefused(
                f"is damaged: a tensor claims {self.nbytes} bytes and has {len(data)}",
                "Download the file again.",
            )
        self.data = data


@dataclass(frozen=True, eq=False, slots=True)
class TensorRef:
    """A tensor in the file.

    Attributes:
        storage: The numbers.
        offset: First number.
        shape: Sizes.
        stride: Steps in numbers.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def __post_init__(self) -> None:
        sizes = (self.offset, *self.shape, *self.stride)
        if any(type(size) is not int or size < 0 for size in sizes) or len(self.shape) != len(self.stride):
            raise ImportRefused("is damaged: a tensor has impossible sizes")
        if len(self.shape) > MAX_DIMENSIONS:
            raise ImportRefused(f"is damaged: a tensor has {len(self.shape)} dimensions")
        numel = math.prod(self.shape)
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.stride, strict=True))
        # No tensor may have more numbers than the file holds for it, however it repeats them.
        if numel > self.storage.numel or (numel and last >= self.storage.numel):
            raise ImportRefused(f"claims a tensor of {numel:,} numbers where it holds {self.storage.numel:,}")

    @property
    def dtype(self) -> str:
        """Key of `ITEM_BYTES`."""
        return self.storage.dtype

    def load(self) -> Tensor:
        """The values, as a view of the mapped file where its place in memory allows."""
        import torch

        data = self.storage.data
        if data is None:
            raise ImportRefused("is cut off: a tensor has no numbers", "Download the file again.")
        dtype: torch.dtype = getattr(torch, self.storage.dtype)
        if not math.prod(self.shape):
            return torch.empty(self.shape, dtype=dtype)
        if isinstance(data, memoryview) and data.readonly:
            data = bytearray(data)
        flat = torch.frombuffer(data, dtype=dtype, count=self.storage.numel)
        if flat.data_ptr() % ITEM_BYTES[self.storage.dtype]:
            flat = torch.frombuffer(bytearray(data), dtype=dtype, count=self.storage.numel)
        return flat.as_strided(self.shape, self.stride, self.offset)


@dataclass(frozen=True, eq=False, slots=True)
class Derived:
    """A tensor made from another one.

    Attributes:
        source: Where the values come from.
        shape: Sizes of the result.
        make: Computes it.
    """

    source: LazyTensor
    shape: tuple[int, ...]
    make: Callable[[Tensor], Tensor]

    def load(self) -> Tensor:
        """Compute it."""
        return self.make(self.source.load())


def reshaped(source: LazyTensor, shape: tuple[int, ...]) -> LazyTensor:
    """The same numbers with other sizes."""
    if source.shape == shape:
        return source
    if math.prod(source.shape) != math.prod(shape):
        raise ImportRefused(f"has another architecture: a tensor {source.shape} instead of {shape}")
    return Derived(source, shape, lambda values: values.reshape(shape))


@dataclass(frozen=True, eq=False, slots=True)
class Made:
    """A tensor that is not in the file.

    Attributes:
        shape: Sizes.
        make: Computes it.
    """

    shape: tuple[int, ...]
    make: Callable[[], Tensor]

    def load(self) -> Tensor:
        """Compute it."""
        return self.make()


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Steps of an array whose last index runs fastest."""
    steps: list[int] = []
    step = 1
    for size in reversed(shape):
        steps.insert(0, step)
        step *= max(size, 1)
    return tuple(steps)


@dataclass(eq=False, slots=True)
class Record:
    """Fields of an object whose class is not rebuilt: options, a network of another program.

    Attributes:
        kind: Class name as the file gives it.
        fields: Attribute name and value.
    """

    kind: str
    fields: dict[object, object] = field(default_factory=dict)

    def build(self, state: object) -> None:
        """Take the fields of a pickled object."""
        if not isinstance(state, dict):
            raise ImportRefused("is damaged: an object has no fields")
        self.fields.update(state)
