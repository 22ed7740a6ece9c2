"""Where a run of an inversion method stands, to the last bit, so that it can be taken up again.

A run that is given a `RunState` writes into it before everything it yields. The same state given to
a new call with the same inputs goes on as if the run had never been stopped: codes, noise maps,
moments of the optimiser and random numbers are those of the moment it was closed.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from desktop_app.core.errors import ResourceError, UserInputError, WeightsError, display_path
from desktop_app.core.types import Image

FORMAT = "contrastyle.inversion_run.1"
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


class RunState:
    """State of one run; empty until the run yields for the first time.

    Attributes:
        done: Passes or iterations that are finished.
        key: Method, model, picture and options it belongs to.
        values: Further numbers.
        tensors: Tensors of the run. While it lives they are the run's own: closing it costs nothing.
        parts: States of a method's parts, by name.
    """

    def __init__(self) -> None:
        self.done = 0
        self.key = ""
        self.values: dict[str, float] = {}
        self.tensors: dict[str, Tensor] = {}
        self.parts: dict[str, RunState] = {}

    @property
    def is_started(self) -> bool:
        """There is something to go on from."""
        return bool(self.tensors)

    def part(self, name: str) -> RunState:
        """The state of a part; a fresh one when there is none."""
        return self.parts.setdefault(name, RunState())

    def claim(self, method: str, *, model: str, image: Image, options: str = "") -> None:
        """Say which run this is, before anything of it is used.

        Args:
            method: Name of the method.
            model: Name of the model.
            image: The aligned picture.
            options: What must be the same for the run to go on.

        Raises:
            UserInputError: The state belongs to another run.
        """
        key = "|".join((method, model, f"{zlib.crc32(image.tobytes()):08x}", options))
        if self.key and self.key != key:
            raise UserInputError(
                "The run that was stopped belongs to another photo, model or method.", "Start a new one."
            )
        self.key = key

    def tensor(self, name: str) -> Tensor:
        """A copy of a tensor, so that a second run does not change the first one's."""
        return self.tensors[name].detach().clone()

    def save(self, file: Path) -> None:
        """Write the state as safetensors.

        Raises:
            ResourceError: The file cannot be written.
        """
        tensors = {key: t.detach().cpu().clone().contiguous() for key, t in self._flat_tensors("").items()}
        about = {"format": FORMAT, "state": json.dumps(self._numbers())}
        temporary = file.with_name(f".{file.name}.tmp")
        try:
            safetensors.torch.save_file(tensors, temporary, about)
            temporary.replace(file)
        except OSError as error:
            raise ResourceError(f"The file {display_path(file)} could not be written: {error}.") from error

    @classmethod
    def load(cls, file: Path) -> RunState:
        """Read a state that was saved.

        Raises:
            WeightsError: The file is missing, damaged or something else.
        """
        try:
            with safe_open(file, framework="pt") as content:
                about = content.metadata() or {}
                tensors = {key: content.get_tensor(key) for key in content.keys()}  # noqa: SIM118
            if about.get("format") != FORMAT:
                raise WeightsError(f"The file {display_path(file)} holds no run of an inversion.")
            state = cls()
            state._fill(json.loads(about["state"]), tensors, prefix="")
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise WeightsError(f"The file {display_path(file)} cannot be read: {error}.") from error
        return state

    def _flat_tensors(self, prefix: str) -> dict[str, Tensor]:
        found = {f"{prefix}{name}": tensor for name, tensor in self.tensors.items()}
        for name, part in self.parts.items():
            found.update(part._flat_tensors(f"{prefix}{name}/"))
        return found

    def _numbers(self) -> dict[str, object]:
        parts = {name: part._numbers() for name, part in self.parts.items()}
        return {"done": self.done, "key": self.key, "values": self.values, "parts": parts}

    def _fill(self, numbers: dict[str, object], tensors: dict[str, Tensor], *, prefix: str) -> None:
        self.done, self.key = int(str(numbers["done"])), str(numbers["key"])
        self.values = {str(k): float(v) for k, v in dict(numbers["values"]).items()}  # type: ignore[call-overload]
        parts = dict(numbers["parts"])  # type: ignore[call-overload]
        own = {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}
        self.tensors = {key: t for key, t in own.items() if key.partition("/")[0] not in parts}
        for name, content in parts.items():
            self.part(name)._fill(content, tensors, prefix=f"{prefix}{name}/")


def adam_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The moments of Adam, by parameter number; nothing before its first step."""
    found = {}
    for number, parameter in enumerate(_parameters(optimiser)):
        moments = optimiser.state.get(parameter, {})
        found.update({f"adam.{number}.{key}": moments[key] for key in _MOMENTS if key in moments})
    return found


def restore_adam(optimiser: torch.optim.Optimizer, state: RunState) -> None:
    """Give Adam the moments that a state holds."""
    for number, parameter in enumerate(_parameters(optimiser)):
        names = [key for key in _MOMENTS if f"adam.{number}.{key}" in state.tensors]
        if names:
            optimiser.state[parameter] = {key: state.tensor(f"adam.{number}.{key}") for key in names}


def _parameters(optimiser: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]
