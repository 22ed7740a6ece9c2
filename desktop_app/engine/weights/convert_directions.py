"""Edit directions: single normals (InterFaceGAN) and principal components (GANSpace).

Sources: reference, section 10. A direction file says neither for which generator it was made nor what it
does: the size of a row is all that can be checked, and the label is the file's name.
"""

from __future__ import annotations

import torch
from torch import Tensor

from desktop_app.engine.weights.converted import Converted
from desktop_app.engine.weights.import_values import ImportRefused, LazyTensor, Made, reshaped
from desktop_app.engine.weights.recognise import Recognised

ARCHITECTURE = "directions"
MAX_COMPONENTS = 1024
MAX_STYLE_DIM = 4096


def convert_directions(found: Recognised, *, label: str) -> Converted:
    """One or several normals, each (rows, D); rows is 1 or the generator's row count.

    Args:
        found: The file.
        label: Name of a direction that has none of its own.

    Raises:
        ImportRefused: The directions differ in size.
    """
    labels = [key or label for key in found.tensors]
    flat = [reshaped(t, _rows(t)) for t in found.tensors.values()]
    if len({tensor.shape for tensor in flat}) != 1:
        raise ImportRefused("holds edit directions of different sizes")
    rows, style_dim = flat[0].shape
    stacked = Made((len(flat), rows, style_dim), lambda: _stack(flat))
    what = "1 edit direction" if len(flat) == 1 else f"{len(flat)} edit directions"
    return Converted(
        role="directions",
        architecture=ARCHITECTURE,
        stem="directions",
        tag="",
        title=f"{what}: {', '.join(labels[:4])}",
        config={"kind": "interfacegan", "labels": labels, "rows": rows, "style_dim": style_dim},
        tensors={"directions": stacked},
        facts={"method": "InterFaceGAN", "directions": str(len(flat)), "rows": str(rows)},
    )


def convert_components(found: Recognised) -> Converted:
    """Principal components of W: mean (D,), unit rows (K, D), spread (K,).

    Raises:
        ImportRefused: The three do not fit one another.
    """
    comp, mean, std = (found.tensors[key] for key in ("comp", "mean", "std"))
    if not 2 <= len(comp.shape) <= 3 or not comp.shape[-1] or not comp.shape[0]:
        raise ImportRefused("holds principal components of an impossible size")
    count, style_dim = comp.shape[0], comp.shape[-1]
    if (
        count > MAX_COMPONENTS
        or style_dim > MAX_STYLE_DIM
        or comp.shape
        not in (
            (count, style_dim),
            (count, 1, style_dim),
        )
    ):
        raise ImportRefused(f"holds principal components {comp.shape} of something else than a style code")
    return Converted(
        role="directions",
        architecture=ARCHITECTURE,
        stem="directions",
        tag="",
        title=f"{count} principal components of the style code",
        config={"kind": "ganspace", "labels": [], "count": count, "rows": 1, "style_dim": style_dim},
        tensors={
            "comp": reshaped(comp, (count, style_dim)),
            "mean": reshaped(mean, (style_dim,)),
            "std": reshaped(std, (count,)),
        },
        facts={"method": "GANSpace", "directions": str(count)},
    )


def _rows(tensor: LazyTensor) -> tuple[int, int]:
    return (tensor.shape[-2] if len(tensor.shape) > 1 else 1, tensor.shape[-1])


def _stack(parts: list[LazyTensor]) -> Tensor:
    stacked = torch.stack([part.load().float() for part in parts])
    if not stacked.flatten(1).any(dim=1).all():
        raise ImportRefused("holds an edit direction of length zero")
    return stacked
