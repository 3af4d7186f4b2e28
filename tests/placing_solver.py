"""The question of placement for OR-tools CP-SAT.

Sizes of `placing` have two decimals, so that the solver's whole numbers say the same as ours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from ortools.sat.python import cp_model
from placing import never_together

from stackgen.placement import Demand, Placement, Shape, Slot


@dataclass(frozen=True)
class Solved:
    """What the solver says: `feasible` None where it does not know."""

    feasible: bool | None
    used: int
    bound: int
    seconds: float


class Solver:
    """The same question as whole numbers for CP-SAT, written from the definition alone."""

    def __init__(self, slots: Sequence[Slot], demands: Sequence[Demand]) -> None:
        self.slots, self.demands = slots, demands
        self.model = cp_model.CpModel()
        self.lies = {(demand.id, slot.id): self.model.new_bool_var("") for demand in demands for slot in slots}
        self.sizes: dict[tuple[str, str], list[tuple[int, cp_model.IntVar]]] = defaultdict(list)
        for demand in demands:
            self._place(demand)
        self.used = {slot.id: self.model.new_bool_var("") for slot in slots}
        for slot in slots:
            self._fill(slot)
        self.model.minimize(sum(self.used.values()))

    def _place(self, demand: Demand) -> None:
        chosen = []
        for shape in demand.shapes:
            kinds = [""] if demand.pinned or shape.count == 1 else sorted(shape.gib)
            chosen += [
                self._way(demand, shape, [slot for slot in self.slots if kind in ("", slot.kind)]) for kind in kinds
            ]
        self.model.add_exactly_one(chosen)
        for slot in self.slots:
            drawn = [there for _, there in self.sizes[demand.id, slot.id]]
            self.model.add(sum(drawn) == self.lies[demand.id, slot.id])

    def _way(self, demand: Demand, shape: Shape, slots: Sequence[Slot]) -> cp_model.IntVar:
        way = self.model.new_bool_var("")
        there = []
        for slot in slots:
            allowed = demand.allowed is None or slot.id in demand.allowed
            pinned = not demand.pinned or slot.id in demand.pinned
            if slot.kind in shape.gib and allowed and pinned and (slot.joins or shape.count == 1):
                there.append(self.model.new_bool_var(""))
                self.sizes[demand.id, slot.id].append((round(shape.gib[slot.kind] * 100), there[-1]))
        wanted = shape.count if not demand.pinned or len(demand.pinned) == shape.count else len(self.slots) + 1
        self.model.add(sum(there) == wanted * way)
        return way

    def _fill(self, slot: Slot) -> None:
        model = self.model
        here = [(demand, self.lies[demand.id, slot.id]) for demand in self.demands]
        for _, lies in here:
            model.add_implication(lies, self.used[slot.id])
        words = defaultdict(list)
        for demand, lies in here:
            words[demand.apart].append(lies)
        for word, lying in words.items():
            if word:
                model.add_at_most_one(lying)
        together = model.new_bool_var("")
        for (one, lies), (other, beside) in combinations(here, 2):
            if not never_together(one, other):
                model.add_bool_or(lies.negated(), beside.negated(), together)
        capacity, reserve = round(slot.capacity_gib * 100), round(slot.reserve_gib * 100)
        model.add(self._load(slot) <= capacity * self.used[slot.id] - reserve * together)
        model.add_implication(together, self.used[slot.id])

    def _load(self, slot: Slot) -> cp_model.LinearExprT:
        always = []
        groups: dict[str, dict[str, list[cp_model.LinearExprT]]] = defaultdict(lambda: defaultdict(list))
        for demand in self.demands:
            terms = [size * there for size, there in self.sizes[demand.id, slot.id]]
            (groups[demand.exclusion][demand.group] if demand.exclusion else always).extend(terms)
        peaks = []
        for of_exclusion in groups.values():
            peaks.append(self.model.new_int_var(0, round(slot.capacity_gib * 100), ""))
            for terms in of_exclusion.values():
                self.model.add(sum(terms) <= peaks[-1])
        return sum(always) + sum(peaks)

    def solve(self, *, seconds: float = 60, work: float | None = None, hint: Placement | None = None) -> Solved:
        """Ask the solver; `work` is its own measure of effort, which a busy machine does not change."""
        if hint:
            for (demand, slot), lies in self.lies.items():
                self.model.add_hint(lies, slot in hint.slots[demand])
        solver = cp_model.CpSolver()
        solver.parameters.max_time_in_seconds = seconds
        solver.parameters.num_workers = 1
        if work is not None:
            solver.parameters.max_deterministic_time = work
        solver.parameters.random_seed = 1
        status = solver.solve(self.model)
        feasible = {cp_model.OPTIMAL: True, cp_model.FEASIBLE: True, cp_model.INFEASIBLE: False}.get(status)
        used = round(solver.objective_value) if feasible else 0
        return Solved(
            feasible, used, max(0, round(solver.best_objective_bound)) if feasible is not False else 0, solver.wall_time
        )
