"""What every part of the program speaks of: pictures, progress, urgency, failure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Image: TypeAlias = npt.NDArray[np.uint8]
FloatArray: TypeAlias = npt.NDArray[np.float32]


def read_only(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """The same array, locked against writing, as everything that crosses a thread must be."""
    array.setflags(write=False)
    return array


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is.

    Attributes:
        done: Units finished.
        total: Units in all, or None while unknown.
        left_s: Estimated seconds left, or None while unknown.
        text: What is being done now, for the user.
    """

    done: int
    total: int | None
    left_s: float | None = None
    text: str = ""


class Urgency(IntEnum):
    """Which of several open jobs is resumed first."""

    LOW = 0
    NORMAL = 1
    HIGH = 2


@dataclass(frozen=True, slots=True)
class JobFailure:
    """Why a job ended without an answer.

    Attributes:
        message: One sentence for the user.
        hint: What the user can do about it, or empty.
        is_bug: The program is at fault; the log holds the details.
    """

    message: str
    hint: str = ""
    is_bug: bool = False
