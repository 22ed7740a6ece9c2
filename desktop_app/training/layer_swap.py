"""Layer swapping: coarse layers of one generator, fine layers of another that was fine-tuned from it.

Source: Pinkney and Adler, 2020, "Resolution dependent GAN interpolation". Coarse layers give pose and
shape, fine ones texture: a face generator below 32 pixels with a toon generator from there on draws
real proportions with drawn skin; the other way round it puts real skin on cartoon shapes.
"""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path

from torch import Tensor

from desktop_app.core.errors import UserInputError
from desktop_app.training.restyle import load_autoencoder
from desktop_app.training.run_folder import RunFolder


def resolution_of(name: str) -> int:
    """The resolution in pixels at which a generator's tensor works; 0 for the mapping network."""
    if name.startswith("style."):
        return 0
    for pattern, per_block in ((r"convs\.(\d+)\.", 2), (r"to_rgbs\.(\d+)\.", 1)):
        found = re.match(pattern, name)
        if found:
            return int(8 * 2 ** (int(found.group(1)) // per_block))
    noise = re.match(r"noises\.noise_(\d+)$", name)
    return int(2 ** ((int(noise.group(1)) + 5) // 2)) if noise else 4


def swapped(coarse: dict[str, Tensor], fine: dict[str, Tensor], from_px: int) -> dict[str, Tensor]:
    """Tensors of two generators of one shape: those of `fine` from a resolution on, the rest of `coarse`.

    Raises:
        UserInputError: The generators have other layers or widths.
    """
    if {k: v.shape for k, v in coarse.items()} != {k: v.shape for k, v in fine.items()}:
        raise UserInputError(
            "The two generators have other sizes, so that their layers do not fit together.",
            "Swap layers of a generator and one that was fine-tuned from it.",
        )
    return {name: (fine if resolution_of(name) >= from_px else coarse)[name].clone() for name in coarse}


def swap_runs(coarse: Path, fine: Path, out: Path, *, from_px: int) -> int:
    """Write a run with the coarse layers of one and the fine layers of another.

    Encoder, mapping network and average code are those of `coarse`; the domain is that of `fine`.

    Args:
        coarse: Folder of a run.
        fine: Folder of a run of the same sizes.
        out: Folder of the new run; encoders can be trained on it.
        from_px: First resolution that is taken from `fine`, 8 to the generator's size.

    Returns:
        How many tensors were taken from `fine`.

    Raises:
        UserInputError: A run is missing, they do not fit, or nothing would be swapped.
    """
    if out.resolve() in (coarse.resolve(), fine.resolve()):
        raise UserInputError("The result needs a folder of its own.", "Choose another --out.")
    (config, model), (fine_config, other) = (load_autoencoder(RunFolder(run)) for run in (coarse, fine))
    if from_px not in (8 * 2**k for k in range(8)) or from_px > config.size:
        raise UserInputError(
            f"Layers cannot be swapped from {from_px} pixels on.", f"Choose 8, 16 ... {config.size}."
        )
    tensors = swapped(model.generator.state_dict(), other.generator.state_dict(), from_px)
    model.generator.load_state_dict(tensors)
    config = replace(config, filter=fine_config.filter)
    run = RunFolder(out)
    run.describe({"coarse": coarse.name, "fine": fine.name, "from_px": from_px, **asdict(config)})
    run.save({"config": asdict(config), "average": model.state_dict()})
    return sum(resolution_of(name) >= from_px for name in tensors)
