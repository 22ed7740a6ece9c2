"""The loop that all optimisers of this package share: iterate, hand out steps, keep the state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch

from desktop_app.core.types import InversionStep, Progress
from desktop_app.engine.device import memory_errors_translated
from desktop_app.engine.invert.run_state import RunState
from desktop_app.engine.invert.steps import StepRecorder


class Search(Protocol):
    """An optimiser on its way."""

    def step(self, i: int) -> bool:
        """Iteration `i`, from 0; returns whether the search is over before its time."""

    def record(self, recorder: StepRecorder) -> InversionStep:
        """What was found so far."""

    def keep(self, state: RunState) -> None:
        """Write everything that changes into the state of the run."""


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """How long to search and what to say.

    Attributes:
        total: Iterations in all.
        report_every: Iterations between two steps.
        text: For progress.
        action: Ends the sentence "Not enough memory to ...".
        first: Iterations that are taken as done.
    """

    total: int
    report_every: int
    text: str
    action: str
    first: int = 0


def search_steps(
    search: Search, recorder: StepRecorder, state: RunState, *, plan: SearchPlan
) -> Iterator[InversionStep | Progress]:
    """Iterate to the end of a plan, from where the state stands.

    Yields:
        `Progress` after each iteration, and before it an `InversionStep` every `report_every` of
        them and at the end. The state is up to date at each of them.
    """
    is_over = bool(state.values.get("over"))
    for i in range(max(plan.first, state.done), 0 if is_over else plan.total):
        with memory_errors_translated(plan.action):
            is_over = search.step(i)
        found = None
        if is_over or i + 1 == plan.total or (i + 1 - plan.first) % plan.report_every == 0:
            with torch.no_grad(), memory_errors_translated(plan.action):
                found = search.record(recorder)
        state.done = i + 1
        state.values["over"] = float(is_over)
        search.keep(state)
        recorder.keep(state)
        if found is not None:
            yield found
            recorder.resume()
        yield Progress(done=i + 1, total=plan.total, text=plan.text)
        if is_over:
            return
