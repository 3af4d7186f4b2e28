"""Who may write into output folders, and what a look at one finds while nobody does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TypeVar

from stackgen.facts.refusals import refused
from stackgen.files.disk import drop_empty, translated
from stackgen.turns import look_into_folder, turn_in_folder

_Found = TypeVar("_Found")


@contextmanager
def turn(*folders: Path) -> Iterator[None]:
    """Nobody else writes into these folders meanwhile, whichever spec it is for; a second one waits its turn.

    Folders that are not there are made, and go again where nothing is written into them.

    Raises:
        StackError: one cannot be made, or no lock is to be had.
    """
    places = {os.path.realpath(folder): folder for folder in folders}
    with ExitStack() as held:
        for _, folder in sorted(places.items()):
            if os.path.isdir(folder) or not os.path.lexists(folder):  # noqa: PTH112 - what is in the way is told by `refuse`
                _take(held, folder)
        yield


def _take(held: ExitStack, folder: Path) -> None:
    made: list[Path] = []

    def make() -> None:
        made[:] = [path for path in (folder, *folder.parents) if not path.exists()] or made
        folder.mkdir(parents=True, exist_ok=True)

    with translated(folder):
        make()
    try:
        held.enter_context(turn_in_folder(folder, make))
    except OSError as error:
        drop_empty(made)
        raise refused("the lock cannot be taken", error, folder) from None
    held.callback(lambda: drop_empty(made))  # as long as nobody else may write there


def steadily(folder: Path, look: Callable[[], _Found]) -> _Found:
    """What a look at a folder finds while nobody writes there; it waits for whoever does.

    Args:
        folder: the folder; where it comes meanwhile, it is looked at once more.
        look: reads what it needs, all of it at once.
    """
    while True:
        is_there = os.path.isdir(folder)  # noqa: PTH112 - it never fails
        with look_into_folder(folder) if is_there else nullcontext():
            found = look()
        if is_there or not os.path.isdir(folder):  # noqa: PTH112 - likewise
            return found
