"""The order of the search: bounds, first answers, mending, fewer slots, even headroom, proof."""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple, overload

from stackgen.placement.attempts import Attempts, lay_fixed
from stackgen.placement.board import Answer, Board
from stackgen.placement.bounds import fewest_slots, most_headroom
from stackgen.placement.exact import Search
from stackgen.placement.greedy import orders
from stackgen.placement.improve import even_out, use_fewer
from stackgen.placement.puzzle import Puzzle

_LOOKS = 400_000
"""The budget of the search for one puzzle, in questions what is left on a slot: some tenths of a second."""
_LARGE = 12_000
"""Puzzles of more items times slots than this have more to do beside these questions, and get fewer of them."""
_SHORT = 20_000
"""The budget of branch and bound where heuristics come after it."""
_LONG = 40_000
"""The budget for each order of the items, where they are through."""
_SEQUENCES = 6
"""So many orders are tried: what one hides behind thousands of partial placements another finds at once."""
_DEEPEST = 120
"""More items than this are not looked at one inside the other."""


class Found(NamedTuple):
    """What the search came to.

    Args:
        answer: where everything lies; of what is left over, nothing.
        left: the items that are left over.
        fewest: proven: no answer uses fewer slots.
        proven: proven: no answer is better; with items left over: there is no answer.
    """

    answer: Answer
    left: tuple[int, ...]
    fewest: bool
    proven: bool


def best_found(puzzle: Puzzle) -> Found:
    """The best answer within the budget."""
    if not puzzle.items:
        return Found(Answer(0, 0, ()), (), fewest=True, proven=True)
    fixed = Board(puzzle)
    hopeless = lay_fixed(fixed)
    fewest = len(puzzle.slots) + 1 if hopeless else fewest_slots(puzzle)
    attempts = Attempts(fixed, hopeless)
    attempts.fill(_LOOKS // 3)
    answer, proven = attempts.answer, fewest > len(puzzle.slots)
    if answer is None and not proven:
        answer, proven = _first(puzzle, attempts)
    if answer is None:
        return Found(attempts.partial, attempts.left, fewest=proven, proven=proven)
    return _improved(puzzle, answer, fewest)


def _first(puzzle: Puzzle, attempts: Attempts) -> tuple[Answer | None, bool]:
    """An answer where laying items one after another found none; or whether there is none."""
    answer, complete = _exactly(puzzle, None, _SHORT)
    if answer or complete:
        return answer, complete
    attempts.mend(_looks(puzzle) // 2)
    return (attempts.answer, False) if attempts.answer else _exactly(puzzle, None, _LONG, _SEQUENCES)


def _improved(puzzle: Puzzle, answer: Answer, fewest: int) -> Found:
    """A short exact search; where that is not enough fewer slots, then more headroom, then a longer search."""
    if not _unbeatable(puzzle, answer, fewest):
        answer, complete = _exactly(puzzle, answer, _SHORT)
        if complete:
            return Found(answer, (), fewest=True, proven=True)
        answer = use_fewer(puzzle, answer, fewest, _looks(puzzle) // 3)
        answer = even_out(puzzle, answer, _looks(puzzle) // 6)
    if _unbeatable(puzzle, answer, fewest):
        return Found(answer, (), fewest=True, proven=True)
    answer, complete = _exactly(puzzle, answer, _LONG, 1 if answer.used == fewest else _SEQUENCES)
    return Found(answer, (), fewest=complete or answer.used == fewest, proven=complete)


def _unbeatable(puzzle: Puzzle, answer: Answer, fewest: int) -> bool:
    """Whether the bounds say that nothing is better."""
    return answer.used == fewest and -answer.lacking >= most_headroom(puzzle, fewest)


def _looks(puzzle: Puzzle) -> int:
    return _LOOKS // (1 + len(puzzle.items) * len(puzzle.slots) // _LARGE)


@overload
def _exactly(puzzle: Puzzle, answer: Answer, looks: int, sequences: int = 1) -> tuple[Answer, bool]: ...
@overload
def _exactly(puzzle: Puzzle, answer: None, looks: int, sequences: int = 1) -> tuple[Answer | None, bool]: ...
def _exactly(puzzle: Puzzle, answer: Answer | None, looks: int, sequences: int = 1) -> tuple[Answer | None, bool]:
    """The best answer that branch and bound finds in some orders of the items, and whether none is better."""
    complete = False
    for order in islice(orders(puzzle), sequences):
        if len(order) <= _DEEPEST and not complete:
            exact = Search(puzzle, order, answer, looks)
            exact.run()
            answer, complete = exact.best, exact.complete
    return answer, complete
