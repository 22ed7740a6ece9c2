"""From which similarity on two faces are one person: chosen on people that were never trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from desktop_app.core.types import FloatArray
from desktop_app.engine.embed.face_encoder import FaceEncoder
from desktop_app.engine.space.people import group_faces

# A wrong face in a group is worse than a face that is missing from it: precision counts double (F 0.5).
_BETA = 0.5
_TRIED = np.arange(0.10, 0.90, 0.01)
_BATCH = 128


def choose_threshold(encoder: FaceEncoder, faces: Tensor, people: Sequence[str]) -> float:
    """The similarity whose groups agree best with the names.

    Args:
        encoder: Ready for use.
        faces: (N, 3, S, S) uint8 aligned faces of people that were held out.
        people: Their names.
    """
    with torch.inference_mode():
        rows = [encoder(part.float().div(127.5).sub(1.0)) for part in faces.split(_BATCH)]
    vectors = torch.cat(rows).numpy()
    scores = [_agreement(vectors, people, threshold=float(value)) for value in _TRIED]
    return round(float(_TRIED[int(np.argmax(scores))]), 2)


def _agreement(vectors: FloatArray, people: Sequence[str], *, threshold: float) -> float:
    """F 0.5 over pairs: of those in one group, and of those of one person."""
    labels = group_faces(vectors, threshold=threshold)
    codes = np.unique(np.asarray(people), return_inverse=True)[1]
    upper = np.triu(np.ones((len(codes), len(codes)), dtype=np.bool_), k=1)
    is_same, is_joined = codes[:, None] == codes[None], labels[:, None] == labels[None]
    right = int((is_same & is_joined & upper).sum())
    if not right:
        return 0.0
    precision, recall = right / int((is_joined & upper).sum()), right / int((is_same & upper).sum())
    square = _BETA**2
    return (1 + square) * precision * recall / (square * precision + recall)
