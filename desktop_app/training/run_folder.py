"""The folder of one training run: configuration, checkpoint, statistics, picture sheets."""

from __future__ import annotations

import csv
import json
import math
import os
import pickle
import platform
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as PillowImage
from torch import Tensor

from desktop_app import __version__
from desktop_app.core.errors import ResourceError, WeightsError, display_path
from desktop_app.core.types import Progress
from desktop_app.engine.image_tensor import tensor_to_image

CHECKPOINT = "checkpoint.pt"


class RunFolder:
    """Writes whole files only: a kill leaves the last complete checkpoint.

    Args:
        folder: The run's folder; made when missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ResourceError(
                f"The folder {display_path(folder)} cannot be made: {error.strerror}."
            ) from error

    def describe(self, config: dict[str, Any]) -> None:
        """Write configuration, versions, machine and git state beside the checkpoint."""
        content = {
            "config": config,
            "contrastyle": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "processors": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "git": _git_state(),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        text = json.dumps(content, indent=2, default=str)
        self._replace("config.json", text.encode("utf-8"))

    def save(self, state: dict[str, Any]) -> None:
        """Write the checkpoint to a temporary file and rename it."""
        temporary = self.folder / (CHECKPOINT + ".tmp")
        try:
            torch.save(state, temporary)
            temporary.replace(self.folder / CHECKPOINT)
        except (OSError, RuntimeError) as error:
            raise ResourceError(
                f"The checkpoint in {display_path(self.folder)} could not be written: {error}.",
                "The last complete checkpoint is kept; free some space and resume.",
            ) from error

    def load(self) -> dict[str, Any] | None:
        """The checkpoint, or None when there is none yet.

        Raises:
            WeightsError: The file is damaged.
        """
        file = self.folder / CHECKPOINT
        if not file.is_file():
            return None
        try:
            state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
            raise WeightsError(f"The checkpoint {display_path(file)} is damaged.") from error
        return state

    def log(self, row: dict[str, float]) -> None:
        """Append a line to `statistics.csv`; every name seen in the first line of a stage."""
        names = sorted(row)
        file = self.folder / f"statistics_{len(names)}.csv"
        is_new = not file.exists()
        with file.open("a", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, names)
            if is_new:
                writer.writeheader()
            writer.writerow({k: f"{v:.6g}" for k, v in row.items()})

    def note(self, row: dict[str, Any]) -> None:
        """Append a measurement to `evaluation.jsonl`."""
        with (self.folder / "evaluation.jsonl").open("a", encoding="utf-8") as handle:
            handle.write(json.dumps({**row, "at": time.strftime("%H:%M:%S", time.gmtime())}) + "\n")

    def sheet(self, name: str, rows: Sequence[Tensor], *, zoom: int = 2) -> None:
        """Write rows of images, (n, 3, S, S) in [-1, 1] each, as one PNG."""
        lines = [np.concatenate([tensor_to_image(y) for y in row], axis=1) for row in rows]
        sheet = PillowImage.fromarray(np.concatenate(lines, axis=0))
        sheet.resize((sheet.width * zoom, sheet.height * zoom), PillowImage.Resampling.LANCZOS).save(
            self.folder / name
        )

    def _replace(self, name: str, content: bytes) -> None:
        temporary = self.folder / (name + ".tmp")
        temporary.write_bytes(content)
        temporary.replace(self.folder / name)


class Pace:
    """Turns a count into progress with time left, from the speed of this session.

    Args:
        done: Units finished before this session.
        total: Units in all.
    """

    def __init__(self, done: int, total: int) -> None:
        self._first = done
        self._total = total
        self._began = time.monotonic()

    def progress(self, done: int, text: str = "") -> Progress:
        """Progress with an estimate of the seconds left."""
        seconds = time.monotonic() - self._began
        made = done - self._first
        left = (self._total - done) * seconds / made if made > 0 else None
        return Progress(min(done, self._total), self._total, left, text)


def cosine_rate(fraction: float, floor: float = 0.0) -> float:
    """Cosine decay from 1 to `floor` over `fraction` in [0, 1]."""
    inside = min(max(fraction, 0.0), 1.0)
    return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * inside))


def _git_state() -> str:
    here = Path(__file__).resolve().parent
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return answer.stdout.strip() or "unknown"
