"""What a tuning leaves on disk, in whole files: its plan, its cached views, its result."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from desktop_app.catalogue.catalogue import Catalogue, IdArray
from desktop_app.catalogue.database import disk_error
from desktop_app.core.errors import UserInputError
from desktop_app.core.types import AlikeKind, FloatArray, ProbeNeighbours, TuneResult, TuneStep

_log = logging.getLogger(__name__)

_FOLDER, _PLAN, _RESULT = "tuning", "plan.json", "result.json"
_VIEWS, _VECTORS = "views.npz", "vectors.npz"
NEIGHBOURS = 9


@dataclass(frozen=True, slots=True)
class Plan:
    """What a tuning was begun with.

    Attributes:
        encoder: The encoder that is tuned.
        version: Of its weights.
        alike: What counts as alike.
        steps: Steps in all.
        seed: Of views and batches.
        probes: Photos whose neighbours are compared.
        layer_steps: Steps that change the last layers, before those of the head; 0: none.
        done: Steps that are safe on disk, of both kinds.
    """

    encoder: str
    version: str
    alike: tuple[AlikeKind, ...]
    steps: int
    seed: int
    probes: tuple[int, ...]
    layer_steps: int = 0
    done: int = 0

    @property
    def all_steps(self) -> int:
        """Steps of both kinds."""
        return self.layer_steps + self.steps


class TuningFolder:
    """The one tuning of a library.

    Args:
        library: Folder of the library.
    """

    def __init__(self, library: Path) -> None:
        self.path = library / _FOLDER

    def discard(self) -> None:
        """Forget everything; what cannot be deleted is written over by the next tuning."""
        for name in (_RESULT, _PLAN):
            (self.path / name).unlink(missing_ok=True)
        shutil.rmtree(self.path, ignore_errors=True)

    def plan(self) -> Plan | None:
        """The plan of a tuning on its way or finished; None when there is none or it is damaged."""
        raw = self._read(_PLAN)
        try:
            return (
                Plan(
                    encoder=str(raw["encoder"]),
                    version=str(raw["version"]),
                    alike=tuple(AlikeKind(kind) for kind in raw["alike"]),
                    steps=int(raw["steps"]),
                    seed=int(raw["seed"]),
                    probes=tuple(int(i) for i in raw["probes"]),
                    layer_steps=int(raw["layer_steps"]),
                    done=int(raw["done"]),
                )
                if raw
                else None
            )
        except (KeyError, TypeError, ValueError) as error:
            _log.debug("the plan of a tuning is damaged: %r", error)
            return None

    def write_plan(self, plan: Plan) -> None:
        """Write the plan."""
        self._write(_PLAN, asdict(plan))

    def note_done(self, plan: Plan, steps: int) -> None:
        """Say how many steps are safe on disk."""
        self.write_plan(replace(plan, done=steps))

    def views(self) -> tuple[IdArray, FloatArray] | None:
        """Cached views: photo ids (M,) and embeddings (K, M, D); None when there are none."""
        return self._read_arrays(_VIEWS)

    def write_views(self, photo_ids: IdArray, vectors: FloatArray) -> None:
        """Cache views."""
        self._write_arrays(_VIEWS, photo_ids, vectors)

    def vectors(self) -> tuple[IdArray, FloatArray] | None:
        """Embeddings by changed layers: photo ids (N,) and embeddings (N, D); None when there are none."""
        return self._read_arrays(_VECTORS)

    def write_vectors(self, photo_ids: IdArray, vectors: FloatArray) -> None:
        """Store embeddings by changed layers."""
        self._write_arrays(_VECTORS, photo_ids, vectors)

    def result(self, catalogue: Catalogue) -> TuneResult | None:
        """A finished tuning, or None."""
        raw = self._read(_RESULT)
        try:
            return _result(raw, catalogue) if raw else None
        except (KeyError, TypeError, ValueError) as error:
            _log.debug("the result of a tuning is damaged: %r", error)
            return None

    def write_result(self, result: TuneResult) -> None:
        """Write a finished tuning; photos by their ids."""
        raw = asdict(replace(result, probes=()))
        raw["probes"] = [
            [p.photo.photo_id, [r.photo_id for r in p.before], [r.photo_id for r in p.after]]
            for p in result.probes
        ]
        self._write(_RESULT, raw)

    def _read(self, name: str) -> dict[str, Any]:
        try:
            content = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def _read_arrays(self, name: str) -> tuple[IdArray, FloatArray] | None:
        try:
            with np.load(self.path / name, allow_pickle=False) as content:
                return content["photo_ids"], content["vectors"]
        except (OSError, ValueError, KeyError, EOFError) as error:
            _log.debug("%s cannot be read: %r", name, error)
            return None

    def _write_arrays(self, name: str, photo_ids: IdArray, vectors: FloatArray) -> None:
        temporary = self.path / (name + ".tmp")
        try:
            with temporary.open("wb") as handle:
                np.savez(handle, photo_ids=photo_ids, vectors=vectors)
            temporary.replace(self.path / name)
        except OSError as error:
            raise disk_error(error, "The embeddings of the tuning cannot be written") from error

    def _write(self, name: str, content: dict[str, Any]) -> None:
        temporary = self.path / (name + ".tmp")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(content), encoding="utf-8")
            temporary.replace(self.path / name)
        except OSError as error:
            raise disk_error(error, "The tuning cannot be written") from error


def require_plan(folder: TuningFolder) -> Plan:
    """The plan of the tuning that is there.

    Raises:
        UserInputError: There is none.
    """
    plan = folder.plan()
    if plan is None:
        raise UserInputError("There is no tuning to go on with.", "Start one first.")
    return plan


def _result(raw: dict[str, Any], catalogue: Catalogue) -> TuneResult:
    probes = []
    for photo_id, before, after in raw["probes"]:
        rows = catalogue.photos.by_ids([photo_id, *before, *after])
        if photo_id in rows:
            probes.append(
                ProbeNeighbours(
                    rows[photo_id],
                    tuple(rows[i] for i in before if i in rows),
                    tuple(rows[i] for i in after if i in rows),
                )
            )
    return TuneResult(
        encoder=str(raw["encoder"]),
        alike=tuple(AlikeKind(kind) for kind in raw["alike"]),
        photos=int(raw["photos"]),
        steps=tuple(TuneStep(**step) for step in raw["steps"]),
        seconds=float(raw["seconds"]),
        probes=tuple(probes),
        agreement_before=raw["agreement_before"],
        agreement_after=raw["agreement_after"],
    )
