"""Run the benchmarks by hand: `python -m tests.benchmarks [name ...]`; one line of figures each."""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys

import tests.benchmarks


def main() -> int:
    """Run the named benchmarks, or all; each module has a `run() -> dict`."""
    names = sorted(module.name for module in pkgutil.iter_modules(tests.benchmarks.__path__))
    known = [name for name in names if name != "__main__"]
    wanted = sys.argv[1:] or known
    unknown = set(wanted) - set(known)
    if unknown:
        sys.stderr.write(f"unknown benchmarks: {sorted(unknown)}; known: {known}\n")
        return 2
    for name in wanted:
        figures = importlib.import_module(f"tests.benchmarks.{name}").run()
        print(json.dumps({"benchmark": name, **figures}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
