"""The program: `stackgen`, and `python -m stackgen`.

What is settled here holds for the whole process, so it stands where the process begins and nowhere else.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from typing import Any, NoReturn

from stackgen import interrupts

_OBJECTS_BETWEEN_LOOKS = 200_000
"""Python looks for garbage after every 700 new objects. A verb makes some hundred thousand and is over before much of
them is garbage: the looks took a tenth of `render`. `logs --follow` runs for days, so they are rare and not off.
"""


_INTERRUPTED = 130
"""As `errors.ExitCode` says it, which may not be loaded yet."""


def program() -> NoReturn:
    """Run a verb and end the process with its exit code."""
    interrupts.listen()
    try:
        _run()
    except BaseException as error:
        if not interrupts.is_behind(error):
            raise
        with suppress(OSError):  # modules are loaded, or all is over: nobody who prints is there
            os.write(2, b"\ninterrupted\n")
        os._exit(_INTERRUPTED)


def _run() -> NoReturn:
    gc.set_threshold(_OBJECTS_BETWEEN_LOOKS)
    _want_no_plugins()
    from stackgen.cli import main  # noqa: PLC0415 - after the lines above

    try:
        main()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            _leave(end.code or 0)
        raise
    _leave(0)


def _want_no_plugins() -> None:
    """Keep pydantic from looking for plugins: it reads what is said of every package that is installed.

    Told so, it still loads the module that looks, and with it readers of mail and of archives, a twentieth of `render`. So
    an empty one stands in its place; whoever asks that for more gets the real one.
    """
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "1"
    empty = ModuleType("pydantic.plugin._loader")

    def of_real_one(name: str) -> Any:
        if name.startswith("__"):  # Python asks every module for some of these
            raise AttributeError(name)
        sys.modules.pop(empty.__name__, None)
        return getattr(import_module(empty.__name__), name)

    vars(empty).update(get_plugins=lambda: (), __getattr__=of_real_one)
    sys.modules[empty.__name__] = empty


def _leave(code: int) -> NoReturn:
    """End without taking every module and object apart, a sixth of a short run: the system frees them all at once.

    What others asked to be done at the end is done; where a thread still works, Python ends in its own way. It also does
    where output cannot be written and nobody has said so: after a failure the user has been told, and what is left in the
    buffer must not change the exit code.
    """
    if threading.active_count() > 1:
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            if code == 0:
                sys.exit(code)
    atexit._run_exitfuncs()  # noqa: SLF001 - what Python itself calls at its end
    os._exit(code)


if __name__ == "__main__":
    program()
