"""What every converter hands over: a description of the model and its tensors, not yet read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from desktop_app.engine.weights.import_values import ImportRefused, LazyTensor

SHOWN_KEYS = 4


@dataclass(frozen=True, eq=False, slots=True)
class Converted:
    """A model as it will be written.

    Attributes:
        role: `inversion`, `generator`, `directions`, `encoder` or `metric`.
        architecture: Builder that understands `config`.
        stem: First part of the model's name.
        tag: Second part; empty: the file's own name is used.
        title: One line for the user.
        config: What the builder needs.
        tensors: Names and values.
        facts: Further name and value pairs of the card.
        notes: What the user should know.
    """

    role: str
    architecture: str
    stem: str
    tag: str
    title: str
    config: dict[str, Any]
    tensors: Mapping[str, LazyTensor]
    facts: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class NoArithmetic(TorchFunctionMode):
    """Answers the arithmetic of constructors by size alone.

    Without it the first division of numbers that do not exist (device `meta`) loads PyTorch's compiler,
    which takes seconds and writes files.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # whatever PyTorch's function returns
        if func in _ELEMENTWISE:
            return torch.empty_like(next(part for part in args if isinstance(part, Tensor)))
        if func is torch.outer:
            return torch.empty(args[0].numel(), args[1].numel())
        return func(*args, **(kwargs or {}))


_ELEMENTWISE = (Tensor.__truediv__, Tensor.__mul__, Tensor.__rmul__, Tensor.div, Tensor.mul)


def shapes_of(build: Callable[[], nn.Module]) -> dict[str, tuple[int, ...]]:
    """Names and sizes of a network's state; the network is built without memory for its numbers."""
    with torch.device("meta"), NoArithmetic():
        module = build()
    return {key: tuple(value.shape) for key, value in module.state_dict().items()}


def check_fit(own: Mapping[str, tuple[int, ...]], given: Mapping[str, LazyTensor], *, what: str) -> None:
    """Compare a file's tensors with what a network needs.

    Raises:
        ImportRefused: Something is missing, left over or of another size; some of it is named.
    """
    missing = sorted(set(own) - set(given))
    unexpected = sorted(set(given) - set(own))
    other = [
        f"{key} {_sizes(given[key].shape)} instead of {_sizes(own[key])}"
        for key in sorted(set(own) & set(given))
        if given[key].shape != own[key]
    ]
    parts = [
        f"{len(keys)} {label} ({_some(keys)})"
        for label, keys in (("missing", missing), ("unexpected", unexpected), ("of another size", other))
        if keys
    ]
    if parts:
        raise ImportRefused(
            f"does not fit {what}: {'; '.join(parts)}",
            "The file is of another architecture, or only a part of one.",
        )


def _some(keys: list[str]) -> str:
    shown = [re.sub(r"[^\w.\- ]", "?", key)[:70] for key in keys[:SHOWN_KEYS]]
    return ", ".join(shown) + (", ..." if len(keys) > SHOWN_KEYS else "")


def _sizes(shape: tuple[int, ...]) -> str:
    return "x".join(str(n) for n in shape) or "one number"


def tag_of(text: str) -> str:
    """Text as a part of a model name: small letters, digits, `_` and `-`."""
    return re.sub(r"[^a-z0-9_-]+", "_", text.lower()).strip("_-")[:40]
