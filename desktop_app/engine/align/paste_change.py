"""Carry an edit into a photo: move what the edit moves, add what it adds, replace what it redraws.

Adding the change alone leaves two outlines wherever the edit moves one: the photo's and the edit's. So the
movement from the reconstruction to the edited face is found first (dense inverse search: Kroeger et al.,
2016), the photo's pixels go along with it, and only what is left is added. Where that is a structure of its
own, teeth or glasses, the edited face stands in the colours of the photo. What an edit of the face does to
its surroundings by the way is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from desktop_app.core.types import FloatArray

# All constants here were chosen on 20 portraits with `tests/benchmarks/paste_ghosts.py` and by looking.
# Side at which movement is found, enough for the outlines that a face model moves; and at which is blurred.
FLOW_PX = 192
_BLUR_PX = 256
# Blurs as shares of the side: of the movement near and far from outlines, of local strengths, of the colours
# between photo and face, and below which structure is fine.
_FLOW_BLUR = 0.018
_FAR_BLUR = 0.06
_LOCAL_BLUR = 0.02
_COLOUR_BLUR = 0.07
_FINE_BLUR = 0.03
# Weight of outlines far away, and of standing still, against those nearby.
_FAR = 0.2
_STILL = 0.03
# Squared levels: of a slope that counts half as an outline, and of a change that is none.
_EDGE = 30.0
_QUIET = 9.0
# The movement ends where it would stretch pixels by more than this.
_MOST_STRETCH = 0.6
# Levels of change in fine structure between which the edited face takes the place of the photo's detail.
_REDRAWN = (10.0, 30.0)
# Half axes of ovals in the crop's frame, shares of the side, and the share of these at which the weight has
# ended: what an edit adds, what it moves, the inner face, a head. The eyes are .47 down and .25 apart.
_FACE_CENTRE = (0.5, 0.5)
_FACE_AXES = (0.33, 0.46)
_MOVED_AXES = (0.37, 0.47)
_INNER_AXES = (0.22, 0.3)
_HEAD_AXES = (0.37, 0.5)
_FACE_END = 1.25
# Levels between photo and reconstruction: a change around the inner face is doubted from here, dropped there.
_UNLIKE = (10.0, 30.0)
# Shift of the mean colour around the face over the change inside it, between which an edit counts as one of
# the whole picture. Medians on 10 portraits: edits of the face .0 to .4, of colours .5 to 1.4, of clothes and
# background above 2.
_WHOLE_EDIT = (0.38, 0.6)


@dataclass(frozen=True, slots=True)
class Carried:
    """An edit in the crop's frame, side S; the result is `kept * fetched(photo, shift) + added`.

    Attributes:
        shift: (S, S, 2) float32: how far right and down a pixel's detail is fetched, in shares of the side.
        kept: (S, S, 1) float32 in [0, 1]: share of the photo's detail that stays.
        added: (S, S, 3) float32: levels that are added to it.
    """

    shift: FloatArray
    kept: FloatArray
    added: FloatArray


def carry_change(around: FloatArray, edited: FloatArray, reconstruction: FloatArray) -> Carried:
    """Find how an edit goes into a photo.

    Args:
        around: The photo's own pixels in the crop's frame, (S, S, 3) float32, 0..255.
        edited: The edited face, of the same size.
        reconstruction: The face before the edit.
    """
    change = edited - reconstruction
    weight = _reach(change, _FACE_AXES)
    shift = _movement(edited, reconstruction) * _reach(change, _MOVED_AXES)
    before = fetched(reconstruction, shift)
    left = edited - before
    fine = left - _blurred(left, _FINE_BLUR)
    strength = np.sqrt(_blurred((fine * fine).mean(axis=2, keepdims=True), _LOCAL_BLUR))
    kept = 1.0 - _smoothstep(strength, *_REDRAWN)
    unlike = fetched(around, shift) - before
    colours = _blurred(unlike, _COLOUR_BLUR)
    weight = weight * _trusted(unlike)
    face = np.clip(edited, 0.0, 255.0)
    # White stays white, black black.
    room = 1.0 - np.square(np.where(colours > 0, face, 255.0 - face) / 255.0)
    added: FloatArray = (weight * (kept * left + (1.0 - kept) * (face + room * colours))).astype(np.float32)
    stays: FloatArray = (1.0 - weight * (1.0 - kept)).astype(np.float32)
    return Carried(shift, stays, added)


def head_weight(side: int) -> FloatArray:
    """1 where a head is in the crop's frame, falling to 0 in its corners; (side, side, 1)."""
    weight: FloatArray = 1.0 - _smoothstep(_away(side, _HEAD_AXES), 1.0, _FACE_END)
    return weight[:, :, None]


def fetched(picture: FloatArray, shift: FloatArray) -> FloatArray:
    """A picture whose pixels come from `shift`, in shares of the side, beside their place."""
    side = picture.shape[0]
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float32)
    moved: FloatArray = cv2.remap(
        picture,
        columns + shift[:, :, 0] * side,
        rows + shift[:, :, 1] * side,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return moved


def _reach(change: FloatArray, axes: tuple[float, float]) -> FloatArray:
    """Where an edit applies: all of the crop if it tints the surroundings much as the face, else the face."""
    side = change.shape[0]
    face: FloatArray = 1.0 - _smoothstep(_away(side, axes), 1.0, _FACE_END)
    around = 1.0 - face
    inside = float((np.abs(change).mean(axis=2) * face).sum() / max(float(face.sum()), 1e-6))
    tone = np.abs((change * around[:, :, None]).sum(axis=(0, 1))).mean() / max(float(around.sum()), 1e-6)
    whole = _smoothstep(np.float32(tone / max(inside, 1e-6)), *_WHOLE_EDIT)
    reach: FloatArray = (face + around * whole)[:, :, None].astype(np.float32)
    return reach


def _trusted(unlike: FloatArray) -> FloatArray:
    """Where the reconstruction is like the photo; inside the face it is believed anyway.

    Around the face it often shows something else than the photo, a head where there is none: what an edit
    changes of that has no place in the photo.
    """
    inner = 1.0 - _smoothstep(_away(unlike.shape[0], _INNER_AXES), 1.0, _FACE_END)
    tone = (unlike * inner[:, :, None]).sum(axis=(0, 1)) / max(float(inner.sum()), 1e-6)
    off = _blurred(np.abs(unlike - tone).mean(axis=2, keepdims=True), _LOCAL_BLUR)
    like = 1.0 - _smoothstep(off, *_UNLIKE)
    trusted: FloatArray = inner[:, :, None] + (1.0 - inner[:, :, None]) * like
    return trusted


def _away(side: int, axes: tuple[float, float]) -> FloatArray:
    """Distance from the middle of the face, 1 at the ends of the half axes; (side, side)."""
    place = (np.arange(side, dtype=np.float32) + 0.5) / side
    across = (place[None, :] - _FACE_CENTRE[0]) / axes[0]
    down = (place[:, None] - _FACE_CENTRE[1]) / axes[1]
    away: FloatArray = np.sqrt(across**2 + down**2)
    return away


def _movement(edited: FloatArray, reconstruction: FloatArray) -> FloatArray:
    """Where each pixel of the edited face was before the edit, in shares of the side; (S, S, 2)."""
    side = edited.shape[0]
    after, before = (_gray(one) for one in (edited, reconstruction))
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(after, before, None)
    rows, columns = np.mgrid[0:FLOW_PX, 0:FLOW_PX].astype(np.float32)
    moved = cv2.remap(
        before, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    still = _blurred(np.square(after.astype(np.float32) - before), _LOCAL_BLUR)
    gone = _blurred(np.square(after.astype(np.float32) - moved), _LOCAL_BLUR)
    edge = _blurred(
        np.square(cv2.Sobel(after, cv2.CV_32F, 1, 0) / 8) + np.square(cv2.Sobel(after, cv2.CV_32F, 0, 1) / 8),
        _LOCAL_BLUR,
    )
    # Only outlines show a movement, and it is believed as far as it explains the change.
    trust = (edge / (edge + _EDGE)) * np.clip(1.0 - gone / np.maximum(still, _QUIET), 0.0, 1.0)
    trust = trust[..., None]
    near, far = _blurred(trust, _FLOW_BLUR), _blurred(trust, _FAR_BLUR)
    near_flow, far_flow = _blurred(flow * trust, _FLOW_BLUR), _blurred(flow * trust, _FAR_BLUR)
    smooth = (near_flow + _FAR * far_flow) / (near + _FAR * far + _STILL)
    shift = cv2.resize(smooth / FLOW_PX, (side, side), interpolation=cv2.INTER_LINEAR)
    stretch = max(float(np.abs(np.diff(shift, axis=axis)).max()) for axis in (0, 1)) * side
    found: FloatArray = (shift * min(1.0, _MOST_STRETCH / max(stretch, 1e-6))).astype(np.float32)
    return found


def _gray(face: FloatArray) -> npt.NDArray[np.uint8]:
    levels = np.clip(face.mean(axis=2), 0, 255).astype(np.float32)
    sized = cv2.resize(
        levels,
        (FLOW_PX, FLOW_PX),
        interpolation=cv2.INTER_AREA if face.shape[0] > FLOW_PX else cv2.INTER_CUBIC,
    )
    gray: npt.NDArray[np.uint8] = np.clip(np.rint(sized), 0, 255).astype(np.uint8)
    return gray


def _blurred(picture: FloatArray, share: float) -> FloatArray:
    """Blurred by a share of the side; large pictures at a smaller side, which a blur does not show."""
    side = picture.shape[0]
    if side > _BLUR_PX:
        small = cv2.resize(picture, (_BLUR_PX, _BLUR_PX), interpolation=cv2.INTER_AREA)
        blurred = cv2.resize(_blurred(small, share), (side, side), interpolation=cv2.INTER_LINEAR)
    else:
        blurred = cv2.GaussianBlur(picture, (0, 0), max(share * side, 0.5))
    found: FloatArray = blurred.reshape(picture.shape)
    return found


def _smoothstep(value: FloatArray | np.float32, low: float, high: float) -> FloatArray:
    share = np.clip((value - low) / (high - low), 0.0, 1.0)
    step: FloatArray = np.asarray(share * share * (3.0 - 2.0 * share), dtype=np.float32)
    return step
