"""Choice of device and CPU threads, and the translation of out-of-memory errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from desktop_app.core.errors import ResourceError, UserInputError


def choose_device(wanted: str = "auto") -> torch.device:
    """The device to compute on.

    Args:
        wanted: `auto` (CUDA, then MPS, then CPU), `cpu`, `cuda` or `mps`.

    Raises:
        UserInputError: The wanted device is not there.
    """
    has = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if wanted == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if has[name]))
    if not has.get(wanted, False):
        raise UserInputError(
            f"The device '{wanted}' is not available on this machine.",
            "Choose 'auto' or 'cpu' in the settings.",
        )
    return torch.device(wanted)


def set_threads(count: int) -> int:
    """Set torch's CPU threads (0: leave its own choice); returns the number in use."""
    if count > 0:
        torch.set_num_threads(count)
    return torch.get_num_threads()


@contextlib.contextmanager
def memory_errors_translated(action: str) -> Iterator[None]:
    """Turn out-of-memory errors of torch inside the block into a `ResourceError`.

    Args:
        action: What was being done, to finish the sentence "Not enough memory to ...".
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise ResourceError(
            f"Not enough device memory to {action}.", "Close other programs or choose the CPU."
        ) from error
    except MemoryError as error:
        raise ResourceError(f"Not enough memory to {action}.", "Close other programs.") from error
    except RuntimeError as error:
        if "can't allocate memory" not in str(error) and "not enough memory" not in str(error):
            raise
        raise ResourceError(f"Not enough memory to {action}.", "Close other programs.") from error
