"""What the points of the map are coloured by, and the colours: groups in a fixed order, times as a scale."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QCoreApplication

from desktop_app.core.types import LibraryMap

PackedArray = npt.NDArray[np.uint32]

# Light enough for the dark window, told apart also by most who see few colours.
GROUP_COLOURS = (
    0x8FA3FF, 0xF2C066, 0x5CC8A8, 0xF08A7A, 0xC58BE8, 0x6BB8F0,
    0xB5CF5F, 0xE88BB8, 0xD0A37A, 0x7FD6D6, 0xE0D37A, 0xA0A8C8,
)  # fmt: skip
OTHER_COLOUR = 0x4A5262
# Old to new: violet, red, orange, pale yellow.
_TIME_ANCHORS = (0x5B3FA6, 0xB03F8C, 0xE8684A, 0xF6B45A, 0xF8F0A8)
_TIME_LEVELS = 256
_OPAQUE = 0xFF000000


class ColourBy(StrEnum):
    """What a colour means."""

    CLUSTER = "cluster"
    FOLDER = "folder"
    DATE = "date"
    CLASS = "class"


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """One line of the legend: its colour (0xRRGGBB), name, and which photos (N,) it holds."""

    colour: int
    name: str
    members: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Colouring:
    """A colour for each photo.

    Attributes:
        colours: (N,) packed, opaque.
        groups: The legend; empty for a scale.
        scale: Texts at both ends of a scale, or None.
    """

    colours: PackedArray
    groups: tuple[Group, ...]
    scale: tuple[str, str] | None = None


def colour(found: LibraryMap, by: ColourBy) -> Colouring:
    """The colours of a map."""
    if by is ColourBy.DATE:
        return _by_time(found)
    if by is ColourBy.FOLDER:
        return _by_code(found.folders, [_short(name) for name in found.folder_names])
    if by is ColourBy.CLASS:
        return _by_code(found.classes, list(found.class_names), without=_tr("no class"))
    names = [
        _tr("cluster {}").format(number + 1) for number in range(int(found.clusters.max(initial=-1)) + 1)
    ]
    return _by_code(found.clusters, names, without=_tr("no cluster"))


def time_colours() -> PackedArray:
    """The scale from the oldest to the newest, packed."""
    positions = np.linspace(0, 1, len(_TIME_ANCHORS))
    levels = np.linspace(0, 1, _TIME_LEVELS)
    packed = np.full(_TIME_LEVELS, _OPAQUE, dtype=np.uint32)
    for shift in (16, 8, 0):
        channel = [anchor >> shift & 0xFF for anchor in _TIME_ANCHORS]
        packed |= np.interp(levels, positions, channel).round().astype(np.uint32) << np.uint32(shift)
    return packed


def _by_time(found: LibraryMap) -> Colouring:
    times = found.modified_at
    if not len(times):
        return Colouring(np.zeros(0, dtype=np.uint32), (), ("", ""))
    # By rank: one photo with a wrong clock does not squeeze all others into one colour.
    order = np.argsort(times, kind="stable")
    ranks = np.empty(len(times))
    ranks[order] = np.arange(len(times))
    levels = (ranks / max(len(times) - 1, 1) * (_TIME_LEVELS - 1)).astype(np.intp)
    ends = [time.strftime("%Y-%m-%d", time.localtime(t)) for t in (times.min(), times.max())]
    return Colouring(time_colours()[levels], (), (ends[0], ends[1]))


def _by_code(codes: npt.NDArray[np.int32], names: list[str], *, without: str = "") -> Colouring:
    """The largest groups get a colour each, the others share one."""
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    largest = [int(i) for i in np.argsort(-counts, kind="stable")[: len(GROUP_COLOURS)] if counts[i]]
    colours = np.full(len(codes), OTHER_COLOUR | _OPAQUE, dtype=np.uint32)
    groups = []
    for number, code in enumerate(largest):
        members = codes == code
        colours[members] = GROUP_COLOURS[number] | _OPAQUE
        groups.append(Group(GROUP_COLOURS[number], names[code], members))
    others = (codes >= 0) & ~np.isin(codes, largest)
    if others.any():
        count = int((counts > 0).sum()) - len(largest)
        groups.append(Group(OTHER_COLOUR, _tr("{} smaller ones").format(count), others))
    if (codes < 0).any():
        groups.append(Group(OTHER_COLOUR, without, codes < 0))
    return Colouring(colours, tuple(groups))


def _short(name: str) -> str:
    """The last two parts of a folder's path."""
    return "/".join(name.replace("\\", "/").rstrip("/").split("/")[-2:])


def _tr(text: str) -> str:
    return QCoreApplication.translate("map_colours", text)
