"""First answers: items laid one after another, and moved about where some are left over."""

from __future__ import annotations

from stackgen.placement.board import Answer, Board
from stackgen.placement.greedy import RULES, fill, orders, squeeze
from stackgen.placement.improve import looks_for_one_try
from stackgen.placement.mend import Mender


class Attempts:
    """First answers.

    Attributes:
        answer: the best complete one.
        partial: the one that leaves least over.
        left: what that leaves over.
    """

    def __init__(self, fixed: Board, hopeless: list[int]) -> None:
        self.puzzle = fixed.puzzle
        self.answer: Answer | None = None
        self.partial = fixed.answer()
        self.left: tuple[int, ...] = tuple(range(len(self.puzzle.items)))
        self._fixed = self.partial
        self._hopeless = hopeless
        self._partials: list[tuple[int, int, tuple[int, ...], Answer]] = []

    def fill(self, looks: int) -> None:
        """Lay the items one after another, in several orders and by several rules."""
        for order in orders(self.puzzle):
            for rule in RULES:
                board = Board(self.puzzle)
                board.lay_out(self._fixed.at)
                left = tuple(sorted([*self._hopeless, *fill(board, order, rule)]))
                self._keep(board.answer(), left)
                looks -= board.looks
                if looks <= 0:
                    return

    def mend(self, looks: int) -> None:
        """Squeeze what is left over onto the board and move items until all fits."""
        for _, _, left, partial in sorted(self._partials, key=lambda one: one[:3]):
            board = Board(self.puzzle)
            board.lay_out(partial.at)
            laid = all(squeeze(board, self.puzzle.items[item]) for item in left)
            if laid and Mender(board).mend(min(looks, 5 * looks_for_one_try(self.puzzle))):
                self._keep(board.answer(), ())
                return
            looks -= board.looks
            if looks <= 0:
                return

    def _keep(self, answer: Answer, left: tuple[int, ...]) -> None:
        if not left:
            self.answer = answer if answer.better_than(self.answer) else self.answer
            self.left = ()
            return
        missing = sum(
            min(way.wanted * way.least for way in self.puzzle.items[item].ways)
            for item in left
            if item not in self._hopeless
        )
        if (len(left), missing) < min((one[:2] for one in self._partials), default=(len(left) + 1, 0)):
            self.partial, self.left = answer, left
        self._partials.append((len(left), missing, left, answer))


def lay_fixed(board: Board) -> list[int]:
    """Lay the items that have one way; returns those that cannot be there, or that have no way."""
    hopeless = []
    for item in board.puzzle.items:
        if not item.ways:
            hopeless.append(item.index)
        elif item.fixed:
            places = item.ways[0].units
            if all(board.room_if(slot, item.index, size) >= 0 for slot, size in places.items()):
                board.put(item.index, places)
            else:
                hopeless.append(item.index)
    return hopeless
