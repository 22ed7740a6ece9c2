"""What the three face trainings (generator, ReStyle encoder, second domain) have in common.

Networks on their device, averaged weights that follow them, held-out people, draws, and the part of a
checkpoint that is the same for all.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from desktop_app.training.checkpoint_parts import is_thin, reseeded
from desktop_app.training.faces import AlignedPictures
from desktop_app.training.precision import training_dtype
from desktop_app.training.run_folder import RunFolder

if TYPE_CHECKING:
    from desktop_app.training.generator import FaceAutoencoder, GeneratorConfig

HELD_OUT = 300  # people on whom runs are measured


class FaceRun:
    """State of one run; the trainings add optimisers and the iteration.

    Args:
        run: Where checkpoint, statistics and sheets go.
        model: The networks; moved to the device.
        config: Sizes, precision and domain of the networks.
        data: Folder of aligned pictures.
        seed: Of sampling.
        device: Where the networks are trained; pictures and draws come from the CPU.
        compile_networks: Use torch.compile.
    """

    def __init__(
        self,
        run: RunFolder,
        model: FaceAutoencoder,
        *,
        config: GeneratorConfig,
        data: Path,
        seed: int,
        device: torch.device,
        compile_networks: bool,
    ) -> None:
        self.run = run
        self.device = device
        self.model = model.to(device)
        self.model.dtype = training_dtype(config.precision, device)
        self.average = copy.deepcopy(model).requires_grad_(False)
        self.random = torch.Generator().manual_seed(seed)
        held_out = AlignedPictures(data, "val", size=config.size, filter_name=config.filter)
        self.left_out = list(held_out.left_out)  # files that cannot be read
        self.held_out, self.held_out_targets = held_out.fixed_pairs(HELD_OUT)
        self._fresh_since = 0  # pictures or passes at which the optimisers started
        self._encode = torch.compile(model.encode) if compile_networks else model.encode
        self._decode = torch.compile(model.decode) if compile_networks else model.decode

    def _average_follows(self, batch: int, half_life: float, *, part: str = "") -> None:
        """The averaged weights go towards the present ones: half the way within `half_life` pictures.

        Args:
            batch: Pictures since the last time.
            half_life: In pictures.
            part: `encoder` or `generator`, when nothing else is trained.
        """
        targets, sources = (
            [v for v in network.get_submodule(part).state_dict().values() if v.is_floating_point()]
            for network in (self.average, self.model)
        )
        with torch.no_grad():
            torch._foreach_lerp_(targets, sources, 1.0 - 0.5 ** (batch / half_life))

    def _shared_state(self) -> dict[str, Any]:
        """The part of a checkpoint that is the same for all."""
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "random": self.random.get_state(),
            "fresh_since": self._fresh_since,
        }

    def _restore_shared(self, saved: dict[str, Any], *, done: int, seed: int) -> bool:
        """Take that part back; False when the checkpoint is thin: the optimisers start afresh."""
        self.model.load_state_dict(saved["model"])
        self.average.load_state_dict(saved["average"])
        self._fresh_since = saved.get("fresh_since", 0)
        if is_thin(saved):
            self._fresh_since = done
            reseeded(self.random, seed, done)
            return False
        self.random.set_state(saved["random"])
        return True


def young_half_life(half_life: float, seen: int) -> float:
    """A half-life that is shorter in the beginning of a run, when weights change fast."""
    return min(half_life, max(seen / 4, 1.0))
