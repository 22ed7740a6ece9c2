"""Numbers on the command line: read, checked against a range, refused in one clear sentence."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeVar

_Number = TypeVar("_Number", int, float)


def whole_number(low: int, high: int | None = None) -> Callable[[str], int]:
    """Reads a whole number of a range, both ends included; None: no upper end."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"'{text}' is no whole number") from error
        return _within(value, low, high)

    return read


def decimal_number(low: float, high: float | None = None) -> Callable[[str], float]:
    """Reads a number of a range, both ends included; None: no upper end."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"'{text}' is no number") from error
        return _within(value, low, high)

    return read


def _within(value: _Number, low: float, high: float | None) -> _Number:
    if value >= low and (high is None or value <= high):  # not a number is neither
        return value
    wanted = f"at least {low:g}" if high is None else f"{low:g} to {high:g}"
    raise argparse.ArgumentTypeError(f"must be {wanted}, not {value:g}")
