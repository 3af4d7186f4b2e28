"""Placement against OR-tools CP-SAT: feasibility, slots used, times.

    python benchmarks/placement.py [--instances 500] [--seed 1] [--seconds 10]

Names every instance where the solver places and we do not, and where we use more slots than it proves to be needed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from placing import instance, large_instance, violations
from placing_solver import Solver

from stackgen.placement import Placement, place

RUNS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10, help="for the solver, on each instance")
    options = parser.parse_args()
    against_the_solver(range(options.seed * 1000, options.seed * 1000 + options.instances), options.seconds)
    many_slots()


def against_the_solver(seeds: range, limit_seconds: float) -> None:
    verdicts: Counter[tuple[str, str]] = Counter()
    ours = bound = 0
    seconds = []
    for seed in seeds:
        slots, demands = instance(seed)
        started = time.process_time()
        answer = place(slots, demands)
        seconds.append(time.process_time() - started)
        hint = answer if isinstance(answer, Placement) else None
        solved = Solver(slots, demands).solve(seconds=limit_seconds, hint=hint)
        said = {True: "feasible", False: "infeasible", None: "unknown"}[solved.feasible]
        sizes = f"instance {seed}: {len(slots)} slots, {len(demands)} demands"
        if isinstance(answer, Placement):
            verdicts["placed", said] += 1
            used = len(answer.load_gib)
            ours, bound = ours + used, bound + solved.bound
            for broken in violations(slots, demands, answer):
                print(f"{sizes}: WRONG: {broken}")
            if used > solved.bound:
                print(f"{sizes}: ours {used}, solver {solved.used}, bound {solved.bound}")
        else:
            verdicts["proven none" if answer.proven else "none found", said] += 1
            if solved.feasible is not False:
                print(f"{sizes}: we place nothing, the solver says {said}")
    for (we, they), count in sorted(verdicts.items()):
        print(f"{we:12} solver: {they:12} {count}")
    print(f"slots used: {ours}, needed {bound}, ratio {ours / max(1, bound):.4f}")
    print(f"seconds: median {median(seconds):.4f}, worst {max(seconds):.3f}")


def many_slots() -> None:
    for fill in (0.5, 0.9, 1.0):
        slots, demands = large_instance(1, fill)
        seconds = []
        for _ in range(RUNS):
            started = time.process_time()
            place(slots, demands)
            seconds.append(time.process_time() - started)
        print(
            f"64 slots, 200 demands, {fill:.0%} of memory: min {min(seconds):.3f} s, median {median(seconds):.3f} s of {RUNS}"
        )


if __name__ == "__main__":
    main()
