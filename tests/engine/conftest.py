"""Leaves the long parity cases to `make parity`, and says how many those are."""

from __future__ import annotations

import os

import pytest

LEFT_OUT = pytest.StashKey[int]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect cases marked both `parity` and `slow` unless they were asked for.

    They are asked for by `-m parity` (or any mark expression that names parity or slow), by naming
    them with `-k`, or by CONTRASTYLE_PARITY=all.
    """
    wanted = config.option.markexpr
    named = "parity" in wanted or "slow" in wanted or "parity" in config.option.keyword
    if named or os.environ.get("CONTRASTYLE_PARITY") == "all":
        return
    slow = [item for item in items if item.get_closest_marker("parity") and item.get_closest_marker("slow")]
    if slow:
        config.stash[LEFT_OUT] = len(slow)
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    left_out = config.stash.get(LEFT_OUT, 0)
    if left_out:
        terminalreporter.write_line(f"{left_out} long parity cases left out; `make parity` runs them")
