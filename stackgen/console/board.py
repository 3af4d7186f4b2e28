"""Progress of a stack that comes up: a table that lives on a terminal, elsewhere a line for each news."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from stackgen.console.paint import STYLES

if TYPE_CHECKING:
    from rich.table import Table

    from stackgen.runtime import Progress

NAME_WIDTH = 16
_LONGEST_STATE = max(map(len, STYLES))


class Board:
    """Rows of a stack that comes up: service, state, its own seconds, detail."""

    def __init__(self, services: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rows: dict[str, tuple[str, float, bool, str]] = dict.fromkeys(services, ("waiting", clock(), True, ""))

    def take(self, step: Progress) -> None:
        """What a service does now; its seconds go on from there."""
        began = step.own_seconds if step.is_over else self._clock() - step.own_seconds
        self._rows[step.service] = (step.phase, began, not step.is_over, step.detail)

    def table(self) -> Table:
        """The rows as they stand; the detail is cut to what the terminal has."""
        from rich.table import Column, Table  # noqa: PLC0415 - only a board on a terminal needs it
        from rich.text import Text  # noqa: PLC0415 - likewise

        table = Table(
            Column("service", no_wrap=True),
            Column("state", no_wrap=True, min_width=_LONGEST_STATE),
            Column("seconds", no_wrap=True, justify="right"),
            Column("detail", no_wrap=True, overflow="ellipsis", ratio=1),
            box=None,
            expand=True,
            padding=(0, 2, 0, 0),
            header_style="dim",
        )
        for service, (state, seconds, moving, detail) in self._rows.items():
            shown = self._clock() - seconds if moving else seconds
            table.add_row(Text(service), Text(state, style=STYLES.get(state, "")), f"{shown:.1f}", Text(detail))
        return table


def line_of(step: Progress, width: int) -> str:
    """What is new, as a line; empty where nothing is.

    Args:
        step: what a service does.
        width: columns of the name.
    """
    if not step.is_news:
        return ""
    took = f"{step.own_seconds:.1f} s after its start" if step.phase in {"healthy", "done"} else ""
    return f"{step.seconds:7.1f} s  {step.service:<{width}} {step.phase:<9} {step.detail or took}".rstrip()
