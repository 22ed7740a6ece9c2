"""The loop's pass as a CUDA graph: all its kernels are started by one call.

A pass is some hundreds of small kernels at fixed shapes, and starting them one by one can take longer
than the coarse layers' arithmetic. So the pass is run a few times on a stream of its own, then
recorded once, and afterwards replayed with new numbers in the same memory.

The recorded pass computes in the precision that `fastest_precision` chooses (bfloat16, or float16 on
older cards), on a copy of the encoder; the model itself stays as it is, for optimisers and for the
plain pass. Where recording fails, or where the short precision gives values that are no numbers, the
plain pass is used from then on, and the log says so.

Not measured: no CUDA device was at hand when this was written. Nothing of it runs on a CPU.
"""

from __future__ import annotations

import copy
import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from desktop_app.engine.precision import fastest_precision

if TYPE_CHECKING:
    from desktop_app.engine.invert.model import InversionModel

_log = logging.getLogger(__name__)

WARM_UP_RUNS = 3  # libraries choose their kernels and reserve memory in the first ones
GRAPHS_KEPT = 2  # each holds the memory of a whole pass

# (model, photo, estimate at the encoder's size, code) -> (new code, its picture)
PlainPass = Callable[["InversionModel", Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(slots=True)
class _Recorded:
    """A graph and the memory it reads from and writes to."""

    graph: torch.cuda.CUDAGraph
    inputs: tuple[Tensor, Tensor, Tensor]
    outputs: tuple[Tensor, Tensor]
    model: InversionModel  # keeps the weights where the graph reads them

    def replay(self, inputs: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Run the pass on new numbers; the answer is the caller's own."""
        for own, given in zip(self.inputs, inputs, strict=True):
            own.copy_(given)
        self.graph.replay()
        codes, y = self.outputs
        return codes.clone(), y.clone()


class PassGraphs:
    """The graphs of one model, one per shape and precision."""

    def __init__(self) -> None:
        self._recorded: OrderedDict[Hashable, _Recorded] = OrderedDict()
        self._refused: set[Hashable] = set()
        self._mark: Hashable = None

    def __len__(self) -> int:
        return len(self._recorded)

    def run(
        self,
        plain: PlainPass,
        model: InversionModel,
        inputs: tuple[Tensor, Tensor, Tensor],
        *,
        dtype: torch.dtype | None = None,
    ) -> tuple[Tensor, Tensor]:
        """One pass, through a graph where that is possible.

        Args:
            plain: The pass as it is written for every device.
            model: The model these graphs belong to.
            inputs: Photo, estimate and code.
            dtype: Precision of the graph; None: a shorter one than float32 where it is faster.
        """
        if torch.is_grad_enabled() or is_tuned(model):
            return plain(model, *inputs)
        chosen = dtype or (fastest_precision(model.device) if model.dtype is torch.float32 else model.dtype)
        self._forget_other_weights(model)
        key = (chosen, *(tuple(part.shape) for part in inputs))
        if key not in self._refused:
            try:
                codes, y = self._replayed(key, plain, model, inputs, dtype=chosen)
                if bool(codes.isfinite().all()) and bool(y.isfinite().all()):
                    return codes, y
                reason = f"values that are no numbers in {chosen}"
            except RuntimeError as error:  # out of memory included
                reason = str(error).partition("\n")[0]
            self._refuse(key, model, reason)
        return plain(model, *inputs)

    def _replayed(
        self,
        key: Hashable,
        plain: PlainPass,
        model: InversionModel,
        inputs: tuple[Tensor, Tensor, Tensor],
        *,
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor]:
        # buffers are normal tensors, so that callers with and without inference mode can fill them
        with torch.inference_mode(False), torch.no_grad():
            if key not in self._recorded:
                while len(self._recorded) >= GRAPHS_KEPT:
                    self._recorded.popitem(last=False)
                self._recorded[key] = record(plain, model, inputs, dtype=dtype)
            self._recorded.move_to_end(key)
            return self._recorded[key].replay(inputs)

    def _refuse(self, key: Hashable, model: InversionModel, reason: str) -> None:
        self._refused.add(key)
        self._recorded.pop(key, None)
        _log.warning("no CUDA graph for '%s', plain passes instead: %s", model.name, reason)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _forget_other_weights(self, model: InversionModel) -> None:
        """A graph reads the weights at the places and in the state in which it was recorded."""
        mark = weights_mark(model)
        if mark != self._mark:
            self._recorded.clear()
            self._refused.clear()
            self._mark = mark


def record(
    plain: PlainPass,
    model: InversionModel,
    inputs: tuple[Tensor, Tensor, Tensor],
    *,
    dtype: torch.dtype,
) -> _Recorded:
    """Record a pass for inputs of these shapes.

    Raises:
        RuntimeError: The device or an operation cannot be recorded.
    """
    graph = torch.cuda.CUDAGraph()
    fast = model
    if dtype is not model.dtype:
        fast = replace(model, encoder=copy.deepcopy(model.encoder))
        fast.use_precision(dtype)
    x, y_small, w_plus = (torch.empty_like(part, memory_format=torch.contiguous_format) for part in inputs)
    for own, given in zip((x, y_small, w_plus), inputs, strict=True):
        own.copy_(given)
    side = torch.cuda.Stream(model.device)
    side.wait_stream(torch.cuda.current_stream(model.device))
    with torch.cuda.stream(side):
        for _ in range(WARM_UP_RUNS):
            plain(fast, x, y_small, w_plus)
    torch.cuda.current_stream(model.device).wait_stream(side)
    with torch.cuda.graph(graph):
        outputs = plain(fast, x, y_small, w_plus)
    return _Recorded(graph, (x, y_small, w_plus), outputs, fast)


def is_tuned(model: InversionModel) -> bool:
    """Whether a change of the generator is attached, which no graph has."""
    return any(getattr(module, "delta", None) is not None for module in model.generator.modules())


def weights_mark(model: InversionModel) -> Hashable:
    """Changes when a weight is replaced or changed in place."""
    networks = (model.encoder, model.generator)
    tensors = [t for network in networks for t in (*network.parameters(), *network.buffers())]
    return tuple((t.data_ptr(), t.dtype, 0 if t.is_inference() else t._version) for t in tensors)
