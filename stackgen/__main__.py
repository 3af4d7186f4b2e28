"""The program: `stackgen`, and `python -m stackgen`.

What is settled here holds for the whole process, so it stands where the process begins and nowhere else.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading
from typing import NoReturn

_OBJECTS_BETWEEN_LOOKS = 200_000
"""Python looks for garbage after every 700 new objects. A verb makes some hundred thousand and is over before much of
them is garbage: the looks took a tenth of `render`. `logs --follow` runs for days, so they are rare and not off.
"""


def program() -> NoReturn:
    """Run a verb and end the process with its exit code."""
    gc.set_threshold(_OBJECTS_BETWEEN_LOOKS)
    # the search for plugins of pydantic reads what is said of every package that is installed; none is wanted here
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "1"
    from stackgen.cli import main  # noqa: PLC0415 - after the lines above

    try:
        main()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            _leave(end.code or 0)
        raise
    _leave(0)


def _leave(code: int) -> NoReturn:
    """End without taking every module and object apart, a sixth of a short run: the system frees them all at once.

    What others asked to be done at the end is done; where a thread still works or output cannot be written, Python ends
    in its own way.
    """
    if threading.active_count() > 1:
        sys.exit(code)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        sys.exit(code)
    atexit._run_exitfuncs()  # noqa: SLF001 - what Python itself calls at its end
    os._exit(code)


if __name__ == "__main__":
    program()
