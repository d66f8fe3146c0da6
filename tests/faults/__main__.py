"""`python -m tests.faults`: every fault, so many times, and what was lost."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.checking import Verdict
from tests.faults.scenarios import SCENARIOS, kills


def main() -> int:
    """Print a Markdown table; exit status 1 if anything was lost, doubled or told wrongly."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="kill -9 of a role or of the node, so many times")
    parser.add_argument("--rounds", type=int, default=1, help="each other fault so many times")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--only", default="", help="faults whose name holds this")
    chosen = parser.parse_args()
    problems = 0
    print("| fault | runs | instances acknowledged | studies | lost | doubled | told wrongly | seconds |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    runs = [(f"kill -9 of any role, {chosen.kills} times", 1, lambda at, seed: kills(at, seed, chosen.kills))]
    runs += [(name, chosen.rounds, scenario) for name, scenario in SCENARIOS.items()]
    for name, rounds, scenario in runs:
        if chosen.only in name and (chosen.kills or rounds != 1 or "kill" not in name):
            problems += _run(name, rounds, scenario, chosen.seed)
    return 1 if problems else 0


def _run(name: str, rounds: int, scenario, seed: int) -> int:  # type: ignore[no-untyped-def]
    started, verdicts = time.monotonic(), list[Verdict]()
    for number in range(rounds):
        with tempfile.TemporaryDirectory(prefix="dicomnode-faults-") as folder:
            verdicts.append(scenario(Path(folder), seed + number))
    sums = [sum(getattr(verdict, part) for verdict in verdicts) for part in ("acknowledged", "studies")]
    counts = [sum(len(getattr(verdict, part)) for verdict in verdicts) for part in ("lost", "doubled", "untrue")]
    figures = [rounds, *sums, *counts, round(time.monotonic() - started)]
    print(f"| {name} | {' | '.join(map(str, figures))} |", flush=True)
    for verdict in verdicts:
        for problem in verdict.problems[:10]:
            print(f"  {problem}", file=sys.stderr)
    return sum(counts)


if __name__ == "__main__":
    sys.exit(main())
